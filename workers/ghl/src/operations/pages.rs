//! All pages of a list, as streams.
//!
//! Each page is one call and so one permit. The stream ends without an error if the run has no
//! permit left: the last page's `next` then shows where another run continues, and it is `None`
//! only if the list is complete. Without a permit for even the first page the stream is an error,
//! so that a missing answer never reads as an empty list.

use futures_util::stream::{self, Stream};

use super::super::model::{ContactPage, SearchContacts, SearchTasks, TaskPage};
use super::super::{GhlError, Run};

impl<'a> Run<'a> {
    /// The pages of a search, from its own `search_after` on. After an error it ends; the last page's `next` is still good.
    pub fn contact_pages(self, search: SearchContacts) -> impl Stream<Item = Result<ContactPage, GhlError>> + 'a {
        stream::try_unfold(Paging::Begin(search), move |paging| async move {
            let Some(mut search) = self.step(paging) else { return Ok(None) };
            let page = self.search_contacts(&search).await?;
            search.search_after.clone_from(&page.next);
            search.shown += u64::try_from(page.contacts.len() + page.passed_over).unwrap_or(0);
            let paging = if page.next.is_some() { Paging::Go(search) } else { Paging::End };
            Ok(Some((page, paging)))
        })
    }

    /// The pages of a search of tasks, from its own `skip` on. A task that is deleted before its page comes moves the later
    /// ones up, so a scan that must miss none is repeated.
    pub fn task_pages(
        self,
        location_id: &'a str,
        search: SearchTasks,
    ) -> impl Stream<Item = Result<TaskPage, GhlError>> + 'a {
        stream::try_unfold(Paging::Begin(search), move |paging| async move {
            let Some(mut search) = self.step(paging) else { return Ok(None) };
            let page = self.search_tasks(location_id, &search).await?;
            let paging = match page.next {
                Some(skip) => {
                    search.skip = skip;
                    Paging::Go(search)
                }
                None => Paging::End,
            };
            Ok(Some((page, paging)))
        })
    }

    /// What to ask for next; `None` where the scan is over or has no permit.
    fn step<S>(&self, paging: Paging<S>) -> Option<S> {
        match paging {
            Paging::Begin(search) => Some(search),
            Paging::Go(search) if self.permits.left() > 0 => Some(search),
            Paging::Go(_) | Paging::End => None,
        }
    }
}

enum Paging<S> {
    Begin(S),
    Go(S),
    End,
}
