//! The pull, and the webhooks.

use super::*;

impl World {
    pub(super) fn start_pull(&mut self, id: &str) {
        let began = self.tick();
        let hooks = self.inbox.get(id).cloned().unwrap_or_default();
        let is_wished = self.requests.remove(id);
        let row = self.by_contact(id).cloned();
        let taken = hooks.len();
        let mut pull =
            PullRun { taken, is_wished, carried: Vec::new(), reported: None, read: None, revision: 0, began };
        if row.as_ref().is_some_and(ContactRow::is_pending) {
            self.pulls.insert(id.to_owned(), pull);
            return;
        }
        pull.carried = webhook_diff::carried(&hooks, row.as_ref());
        let known = row.filter(|row| row.base.is_some() && row.is_visible() && !row.is_unread());
        let mut needs = known.is_none() || is_wished;
        if let Some(row) = known.filter(|_| !is_wished) {
            needs |= hooks.iter().any(|hook| hook.event_type == "ContactDelete");
            let whole: Vec<_> = hooks.iter().filter(|hook| hook.event_type != "ContactDelete").collect();
            match pull_plan::of_contact(&row, &whole, |_| {}) {
                Some(reported) => pull.reported = reported,
                None => needs = true,
            }
        }
        if needs {
            if let Some(reported) = pull.reported.take() {
                self.reported_of_contact(reported);
            }
            pull.read = Some(self.ghl.people.get(id).cloned());
        }
        pull.revision = self.by_contact(id).map_or(0, |row| row.revision);
        self.pulls.insert(id.to_owned(), pull);
    }

    pub(super) fn store_pull(&mut self, id: &str) {
        let Some(pull) = self.pulls.remove(id) else { return };
        let PullRun { taken, is_wished, carried, reported, read, revision, began } = pull;
        match read {
            Some(None) if !self.is_gone_since(id, began) => {
                if is_wished {
                    self.requests.insert(id.to_owned());
                }
                return;
            }
            Some(None) | None => {}
            Some(Some(mut theirs)) => {
                self.report(id);
                for carried in &carried {
                    theirs = theirs.supplemented(carried);
                }
                let row = self.by_contact(id).cloned();
                match (ContactRow::pull(row.as_ref(), revision), row) {
                    (Pull::Meet, _) => self.rows.push(bare(LOCATION, id).first_met(&theirs, self.now)),
                    (Pull::Follow, Some(row)) => self.follow(row, &theirs),
                    (Pull::Unordered { is_newer }, Some(row)) => {
                        let shows =
                            row.base.as_ref().map(|base| difference(&fields(base), &fields(&row.read(&theirs))));
                        if let Some(shows) = shows {
                            self.meet(row, &shows, is_newer);
                        }
                    }
                    (Pull::Nothing | Pull::Follow | Pull::Unordered { .. }, _) => {}
                }
            }
        }
        if let Some(reported) = reported {
            self.reported_of_contact(reported);
        }
        if let Some(hooks) = self.inbox.get_mut(id) {
            hooks.drain(..taken.min(hooks.len()));
            if hooks.is_empty() {
                self.inbox.remove(id);
            }
        }
    }

    /// Clienty has been reported all that GHL's side said of the contact.
    pub(super) fn report(&mut self, contact_id: &str) {
        let key = self.key_of(contact_id);
        for (_, words) in self.oracle.words.iter_mut().filter(|((of, _), _)| *of == key) {
            words.iter_mut().filter(|word| word.by == Side::Ghl).for_each(|word| word.is_reported = true);
        }
    }

    /// Under what the words about a contact of GHL's are kept.
    pub(super) fn key_of(&self, contact_id: &str) -> String {
        self.by_contact(contact_id).map_or(contact_id, |row| row.row_id.as_str()).to_owned()
    }

    pub(super) fn deliver(&mut self, index: usize) {
        self.tick();
        let event = self.post.remove(index);
        let id = event.contact.id.clone();
        let webhook = StoredWebhook {
            id: format!("w{}", event.at),
            event_type: event.kind.to_owned(),
            body: event.body(),
            received_at: Timestamp::from_millisecond(event.at + 1).unwrap(),
            is_late: false,
        };
        self.report_of(&event);
        self.inbox.entry(id.clone()).or_default().push(webhook.clone());
        self.received.entry(id).or_default().push(webhook);
    }

    pub(super) fn report_of(&mut self, event: &Event) {
        let (key, held) = (self.key_of(&event.contact.id), fields(&event.contact));
        for ((_, field), words) in self.oracle.words.iter_mut().filter(|((of, _), _)| *of == key) {
            let is_it =
                |word: &&mut oracle::Word| word.by == Side::Ghl && answers(field, &word.value, &value(&held, field));
            words.iter_mut().filter(is_it).for_each(|word| word.is_reported = true);
        }
    }
}
