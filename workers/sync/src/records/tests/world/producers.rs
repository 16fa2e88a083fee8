//! Producers: what they say, and under which ids.

use super::*;

impl World {
    pub(super) fn link_alias(&mut self, id: &str, contact_id: &str) {
        self.aliases.insert(id.to_owned(), contact_id.to_owned());
    }

    pub(super) fn move_to(&mut self, old: &str, new: &str) {
        if old != new {
            for target in self.aliases.values_mut().filter(|target| *target == old) {
                new.clone_into(target);
            }
            self.link_alias(old, new);
        }
    }

    pub(super) fn join(&mut self, pending: ContactRow, other: ContactRow, agreed: &Fields) -> ContactRow {
        let keeps_other = other.clienty_id.is_some() && other.clienty_id != pending.clienty_id;
        let (row, found) = joined(&self.policies, &pending, &other, agreed, keeps_other);
        let gone = if keeps_other { &pending } else { &other };
        let gone_id = gone.row_id.clone();
        self.rows.retain(|kept| kept.row_id != gone_id);
        if !keeps_other || !self.pushes.contains_key(&gone_id) {
            self.pushes.remove(&gone_id);
            if self.jobs.remove(&gone_id).is_some() {
                self.owe(&row.row_id);
            }
        }
        if self.dead.remove(&gone_id) && !self.jobs.contains_key(&row.row_id) {
            self.dead.insert(row.row_id.clone());
        }
        self.move_to(&pending.contact_id, &row.contact_id);
        self.oracle.join(&gone_id, &row.row_id);
        self.keep_conflicts(&row, &found);
        self.save(row.clone());
        self.row(&row.row_id).cloned().unwrap_or(row)
    }

    /// `change/contact/ids.rs`: the row that both ids mean; an error where the event is refused.
    pub(super) fn settle_ids(
        &mut self,
        contact_id: &str,
        clienty_id: Option<&str>,
        deletes: bool,
    ) -> Result<Option<ContactRow>, ()> {
        let row = self.by_any(contact_id).cloned();
        let Some(clienty_id) = clienty_id else { return Ok(row) };
        let other = self.by_any(clienty_id).cloned();
        let is_one = row.as_ref().zip(other.as_ref()).is_some_and(|(row, other)| row.row_id == other.row_id);
        match meant(named(row.as_ref(), None), named(other.as_ref(), row.as_ref()), is_one, deletes) {
            Meant::One => Ok(row.map(|mut row| {
                if row.contact_id != clienty_id {
                    row.clienty_id.get_or_insert_with(|| clienty_id.to_owned());
                    row.doc.clienty_contact_id.clone_from(&row.clienty_id);
                }
                row
            })),
            Meant::Link => {
                if let Some(left) = other.filter(|other| other.clienty_id.as_deref() == Some(clienty_id)) {
                    self.save(ContactRow { clienty_id: None, ..left });
                }
                let Some(mut row) = row else { return Ok(None) };
                self.link_alias(clienty_id, &row.contact_id);
                row.clienty_id.get_or_insert_with(|| clienty_id.to_owned());
                row.doc.clienty_contact_id.clone_from(&row.clienty_id);
                Ok(Some(row))
            }
            Meant::Join => match (other, row) {
                (Some(pending), Some(row)) => {
                    let in_doubt = pending.intent.is_some();
                    let joined = self.join(pending, row, &Fields::new());
                    let created_by = joined.created_by.filter(|_| !in_doubt);
                    Ok(Some(ContactRow { intent: None, intent_at_ms: None, created_by, ..joined }))
                }
                (Some(pending), None) => {
                    self.move_to(&pending.contact_id, contact_id);
                    Ok(Some(pending.under(contact_id)))
                }
                (None, row) => Ok(row),
            },
            Meant::InDoubt | Meant::Contradiction => Err(()),
        }
    }

    /// Whether the event is accepted.
    pub(super) fn accept(
        &mut self,
        contact_id: Option<&str>,
        clienty_id: Option<&str>,
        act: &Act,
    ) -> Result<String, ()> {
        let patch = patch(act);
        let deletes = *act == Act::Delete;
        let at = self.now;
        let row = match (contact_id, clienty_id) {
            (Some(contact_id), clienty_id) => match self.settle_ids(contact_id, clienty_id, deletes)? {
                Some(row) => row,
                None => {
                    let clienty = clienty_id.map(str::to_owned);
                    let mut row = blind(bare(LOCATION, contact_id), clienty.as_ref(), &patch, at);
                    row.deleted_at_ms = deletes.then_some(at);
                    if let Some(id) = clienty_id {
                        self.link_alias(id, contact_id);
                    }
                    self.rows.push(row);
                    return Ok(contact_id.to_owned());
                }
            },
            (None, Some(clienty_id)) => match self.by_any(clienty_id).cloned() {
                Some(row) => row,
                None if matches!(act, Act::Create(_)) => {
                    self.rows.push(new(bare(LOCATION, clienty_id), &patch, at));
                    return Ok(clienty_id.to_owned());
                }
                None => return Err(()),
            },
            (None, None) => return Err(()),
        };
        if !row.is_visible() {
            return if deletes { Ok(row.row_id) } else { Err(()) };
        }
        let mut row = row;
        edited(&mut row, &patch, None, at);
        if deletes {
            row.deleted_at_ms = Some(at);
        }
        let row_id = row.row_id.clone();
        self.save(row);
        Ok(row_id)
    }

    pub(super) fn edit(&mut self, edit: &Edit) -> Outcome {
        let at = self.tick();
        match edit {
            Edit::Ours { contact_id, clienty_id, act } => {
                self.oracle.edits += 1;
                let before: Vec<_> =
                    self.rows.iter().map(|row| (row.row_id.clone(), row.doc.clone(), row.is_visible())).collect();
                let mut tried = self.clone();
                let Ok(row_id) = tried.accept(*contact_id, *clienty_id, act) else { return Ok(()) };
                *self = tried;
                self.owe(&row_id);
                let is_blind = self.row(&row_id).is_some_and(|row| row.is_unread() || !row.unread.is_empty());
                let own = before.iter().find(|(id, ..)| *id == row_id);
                if own.is_none_or(|(.., shown)| *shown) {
                    if let Some(contact_id) = self.row(&row_id).map(|row| row.contact_id.clone()) {
                        self.oracle.join(&contact_id, &row_id);
                    }
                    if is_blind {
                        self.oracle.overwrite_blindly(&row_id);
                    }
                    let doc = own.filter(|_| !is_blind).map(|(_, doc, _)| fields(doc));
                    // Who says what readers see already says nothing.
                    let is_news = |name: &str, said: &Value| doc.as_ref().is_none_or(|doc| *said != value(doc, name));
                    for (name, said) in said(act).into_iter().filter(|(name, said)| is_news(name, said)) {
                        self.oracle.say(&row_id, &name, Side::Clienty, said);
                    }
                }
                if *act == Act::Delete {
                    self.oracle.forgotten.insert(row_id.clone());
                }
                let others = before.iter().filter(|(id, ..)| *id != row_id);
                for (id, doc, _) in others {
                    if self.row(id).is_some_and(|row| fields(&row.doc) != fields(doc)) {
                        return Err(format!("(c) an event about {row_id} changes {id}"));
                    }
                }
            }
            Edit::Theirs { id, act: Act::Delete } => {
                let event = self.ghl.delete(id, at);
                if event.is_some() {
                    self.forget_words(id);
                }
                self.emit(event);
            }
            Edit::Theirs { id, act: Act::Restore } => {
                let event = self.ghl.restore(id, at);
                self.emit(event);
            }
            Edit::Theirs { act: act @ Act::Create(_), .. } => {
                let wanted = patch(act).apply(&Contact::default());
                if let Ok(event) = self.ghl.create(&wanted, at) {
                    self.person_of.insert(event.contact.id.clone(), person(&event.contact));
                    let key = self.key_of(&event.contact.id);
                    for (name, value) in fields(&event.contact) {
                        self.oracle.say(&key, &name, Side::Ghl, value);
                    }
                    if self.row(&key).is_some_and(ContactRow::is_unread) {
                        self.oracle.overwrite_blindly(&key);
                    }
                    self.emit(Some(event));
                }
            }
            Edit::Theirs { id, act: act @ Act::Set(..) } => {
                let changes: Fields = said(act).into_iter().collect();
                if let Ok(event) = self.ghl.change(id, &changes, at) {
                    let key = self.key_of(id);
                    let base = self.row(&key).and_then(|row| row.base.as_ref()).map(fields).unwrap_or_default();
                    for (name, said) in changes {
                        let is_back = answers(&name, &said, &value(&base, &name));
                        self.oracle.say(&key, &name, Side::Ghl, said);
                        if is_back {
                            // Nobody can show that GHL went back to what is agreed.
                            self.oracle.excuse_last(&key, &name);
                        }
                    }
                    if self.row(&key).is_some_and(ContactRow::is_unread) {
                        self.oracle.overwrite_blindly(&key);
                    }
                    self.emit(Some(event));
                }
            }
            Edit::Merge(from, into) => {
                if let Some(contact) = self.ghl.people.remove(*from) {
                    self.forget_words(from);
                    let missing = difference(&Fields::new(), &fields(&contact));
                    let held = self.ghl.people.get(*into).map(fields).unwrap_or_default();
                    let missing: Fields = missing.into_iter().filter(|(name, _)| !held.contains_key(name)).collect();
                    if self.ghl.change(into, &missing, at).is_ok() {
                        let key = self.key_of(into);
                        for (name, value) in missing {
                            self.oracle.say(&key, &name, Side::Ghl, value);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// A deletion wins: what was said of the contact counts no more.
    pub(super) fn forget_words(&mut self, contact_id: &str) {
        let row_id = self.key_of(contact_id);
        self.oracle.forgotten.insert(row_id.clone());
        self.oracle.words.retain(|(of, _), _| *of != row_id);
        self.oracle.seen.retain(|(of, _), _| *of != row_id);
    }
}
