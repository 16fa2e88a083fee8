//! Contacts many at a time: one page, or one look for a duplicate.

use super::super::model::{
    Contact, ContactPage, Direction, FoundContact, ListCursor, ListNews, ListPage, Listed, SearchContacts,
};
use super::super::reply::Reply;
use super::super::{GhlError, Run, endpoints};

impl Run<'_> {
    /// One page of a search; [`Run::contact_pages`] goes through all of them.
    ///
    /// # Errors
    /// As documented at [`GhlError`]; [`GhlError::Unsendable`] where the search is past GHL's limits.
    pub async fn search_contacts(&self, search: &SearchContacts) -> Result<ContactPage, GhlError> {
        within_limits(search)?;
        // A page of one can't be asked for in smaller parts.
        let run = if search.page_limit == 1 { self.for_long_list() } else { *self };
        let reply = run.call_with(&endpoints::SEARCH_CONTACTS, &[], search).await?;
        let Listed { items: contacts, passed_over } = run.listed::<FoundContact>(&reply, "contacts")?;
        let ListNews { total, .. } = reply.whole().unwrap_or_default();
        let given = contacts.len() + passed_over;
        let left = total.map_or(0, |total| total.saturating_sub(search.shown + u64::try_from(given).unwrap_or(0)));
        let is_full = given >= usize::from(search.page_limit);
        // A page may be shorter than was asked for though more follow: GHL's total says so.
        let next = if given > 0 && (is_full || left > 0) {
            let end = match contacts.last() {
                Some(FoundContact { search_after: Some(end), .. }) if passed_over == 0 => Some(end.clone()),
                // Also of what could not be read.
                _ => reply.last_cursor("contacts"),
            };
            let all_were_shown = total.is_some() && left == 0;
            if end.is_none() && !all_were_shown {
                return Err(reply.undecodable("contacts[].searchAfter", "it is missing or empty"));
            }
            let ascends = search.sort.first().is_some_and(|sort| sort.direction == Direction::Asc);
            let began = search.search_after.as_ref();
            end.filter(|end| began.is_none_or(|began| end.is_after(began, ascends)))
        } else {
            None
        };
        let not_shown = if next.is_none() { left } else { 0 };
        Ok(ContactPage { contacts, passed_over, total, next, not_shown, bytes: reply.body.len() })
    }

    /// The contact that has this e-mail or phone, where the location allows only one.
    ///
    /// # Errors
    /// As documented at [`GhlError`].
    pub async fn find_duplicate_contact(
        &self,
        location_id: &str,
        email: Option<&str>,
        phone: Option<&str>,
    ) -> Result<Option<Contact>, GhlError> {
        let endpoint = &endpoints::FIND_DUPLICATE_CONTACT;
        if email.is_none() && phone.is_none() {
            let reason = "neither an e-mail nor a phone to look for".to_owned();
            return Err(GhlError::Unsendable { operation: endpoint.operation, reason });
        }
        let query = [("locationId", Some(location_id)), ("number", phone), ("email", email)];
        self.call_where(endpoint, &[], &query).await?.record_or_none("contact")
    }

    /// One page of all contacts, at most 100. GHL has deprecated it for the search, and v3 does not have it.
    ///
    /// # Errors
    /// As documented at [`GhlError`].
    pub async fn list_contacts(
        &self,
        location_id: &str,
        limit: u16,
        after: Option<&ListCursor>,
        words: Option<&str>,
    ) -> Result<ListPage, GhlError> {
        let (limit, start_after) = (limit.to_string(), after.map(|after| after.start_after.to_string()));
        let query = [
            ("locationId", Some(location_id)),
            ("limit", Some(limit.as_str())),
            ("startAfterId", after.map(|after| after.start_after_id.as_str())),
            ("startAfter", start_after.as_deref()),
            ("query", words),
        ];
        list_page(self, &self.call_where(&endpoints::LIST_CONTACTS, &[], &query).await?)
    }

    /// One page of the contacts of a business, at most 100, after the first `skip`.
    ///
    /// # Errors
    /// As documented at [`GhlError`].
    pub async fn list_contacts_of_business(
        &self,
        business_id: &str,
        location_id: &str,
        limit: u16,
        skip: u32,
        words: Option<&str>,
    ) -> Result<ListPage, GhlError> {
        let (limit, skip) = (limit.to_string(), skip.to_string());
        let query = [
            ("locationId", Some(location_id)),
            ("limit", Some(limit.as_str())),
            ("skip", Some(skip.as_str())),
            ("query", words),
        ];
        list_page(self, &self.call_where(&endpoints::LIST_CONTACTS_OF_BUSINESS, &[business_id], &query).await?)
    }
}

fn within_limits(search: &SearchContacts) -> Result<(), GhlError> {
    let SearchContacts { page_limit, sort, query, .. } = search;
    let reason = if !(1..=SearchContacts::LONGEST_PAGE).contains(page_limit) {
        format!("pageLimit is {page_limit}, and may be 1 to {}", SearchContacts::LONGEST_PAGE)
    } else if sort.len() > SearchContacts::MOST_SORTS {
        format!("sort has {} orders, and may have {}", sort.len(), SearchContacts::MOST_SORTS)
    } else if query.as_ref().is_some_and(|query| query.chars().count() > SearchContacts::LONGEST_QUERY) {
        format!("query is longer than {} characters", SearchContacts::LONGEST_QUERY)
    } else {
        return Ok(());
    };
    Err(GhlError::Unsendable { operation: endpoints::SEARCH_CONTACTS.operation, reason })
}

fn list_page(run: &Run<'_>, reply: &Reply) -> Result<ListPage, GhlError> {
    let Listed { items: contacts, passed_over } = run.listed::<Contact>(reply, "contacts")?;
    let ListNews { total, count, meta } = reply.whole().unwrap_or_default();
    let meta = meta.unwrap_or_default();
    let next = match (meta.start_after_id, meta.start_after) {
        (Some(start_after_id), Some(start_after)) if !contacts.is_empty() => {
            Some(ListCursor { start_after_id, start_after })
        }
        _ => None,
    };
    Ok(ListPage { contacts, passed_over, total: total.or(meta.total).or(count), next })
}
