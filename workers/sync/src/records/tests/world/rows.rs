//! What Clienty keeps of contacts, and what every reading, reply and report changes of it.

use super::*;

impl World {
    pub(super) fn tick(&mut self) -> i64 {
        self.now += 1;
        self.now
    }

    pub(super) fn row(&self, row_id: &str) -> Option<&ContactRow> {
        self.rows.iter().find(|row| row.row_id == row_id)
    }

    pub(super) fn by_contact(&self, contact_id: &str) -> Option<&ContactRow> {
        self.rows.iter().find(|row| row.contact_id == contact_id)
    }

    pub(super) fn by_any(&self, id: &str) -> Option<&ContactRow> {
        self.by_contact(self.aliases.get(id).map_or(id, String::as_str))
    }

    pub(super) fn save(&mut self, mut row: ContactRow) {
        row.revision += 1;
        match self.rows.iter_mut().find(|kept| kept.row_id == row.row_id) {
            Some(kept) => *kept = row,
            None => self.rows.push(row),
        }
    }

    pub(super) fn owe(&mut self, row_id: &str) {
        self.dead.remove(row_id);
        let job = self.jobs.entry(row_id.to_owned()).or_default();
        job.again |= self.pushes.contains_key(row_id);
        job.waits = false;
    }

    /// The run ends, and serves all that was open when it began.
    pub(super) fn close(&mut self, row_id: &str) {
        self.pushes.remove(row_id);
        if let Some(job) = self.jobs.get_mut(row_id)
            && !std::mem::take(&mut job.again)
        {
            self.jobs.remove(row_id);
        }
    }

    pub(super) fn keep_open(&mut self, row_id: &str) {
        self.pushes.remove(row_id);
        self.jobs.entry(row_id.to_owned()).or_default().again = false;
    }

    pub(super) fn wait(&mut self, row_id: &str) {
        self.keep_open(row_id);
        self.jobs.entry(row_id.to_owned()).or_default().waits = true;
    }

    pub(super) fn refuse(&mut self, row_id: &str) {
        self.close(row_id);
        self.dead.insert(row_id.to_owned());
    }

    pub(super) fn emit(&mut self, event: Option<Event>) {
        if let Some(event) = event {
            self.post.push(event);
            self.post.sort_by_key(|event| event.at);
        }
    }

    pub(super) fn take_in(
        &self,
        row: &ContactRow,
        base: &Fields,
        theirs: &Contact,
        edits: &Edits,
        reported: &TheirTimes,
    ) -> Taken<Contact> {
        let taken = merging::take_in(&self.policies, base, &row.doc, theirs, edits, &row.fingerprints, reported);
        if reported_times::undated_since::<Contact>(&self.policies, &taken, edits, reported).is_none() {
            return taken;
        }
        let received = self.received.get(&row.contact_id).into_iter().flatten();
        let said = received.filter_map(|webhook| {
            let contact = crate::mapping::contact::from_part(serde_json::from_value(webhook.contact()?).ok()?);
            Some((webhook.time()?, reported_times::of_edits(edits, &fields(&contact), &contact.absent)))
        });
        let mut first = first_reported(&fields(theirs), said.collect(), &row.fingerprints);
        first.extend(reported.fields.clone());
        let reported = TheirTimes { fields: first, ..reported.clone() };
        merging::take_in(&self.policies, base, &row.doc, theirs, edits, &row.fingerprints, &reported)
    }

    pub(super) fn keep_conflicts(&mut self, row: &ContactRow, conflicts: &[sync_model::decide::merge::Conflict]) {
        for conflict in conflicts {
            let is_obeyed = match self.policies.default {
                Policy::Newest => true,
                Policy::Ghl => conflict.winner == Side::Ghl,
                Policy::Clienty => conflict.winner == Side::Clienty,
            };
            if !is_obeyed {
                self.wrong = Some(format!("(b) {} wins against the policy", conflict.winner.as_str()));
            }
            let key = (row.row_id.clone(), conflict.field.clone());
            for word in self.oracle.words.get_mut(&key).into_iter().flatten() {
                let (loser, lost) = match conflict.winner {
                    Side::Ghl => (Side::Clienty, &conflict.ours),
                    Side::Clienty => (Side::Ghl, &conflict.theirs),
                };
                word.is_in_conflict |= word.by == loser && answers(&conflict.field, &word.value, lost);
            }
        }
    }

    pub(super) fn follow(&mut self, row: ContactRow, theirs: &Contact) {
        if row.is_as_known(theirs) && !row.goes_back() {
            return;
        }
        let (theirs, unread) = (row.read(theirs), row.unread_after(theirs));
        let reported = row.times_of_reading(&theirs);
        self.follow_to(row, theirs, unread, &reported);
    }

    pub(super) fn follow_to(&mut self, mut row: ContactRow, theirs: Contact, unread: Unread, reported: &TheirTimes) {
        let taken = row.is_visible().then(|| {
            let agreed = row.agreed(&theirs);
            self.take_in(&row, &agreed, &theirs, &row.edits, reported)
        });
        let Followed { row, conflicts, .. } = row.followed(taken, theirs, unread, reported, self.now);
        self.keep_conflicts(&row, &conflicts);
        self.save(row);
    }

    pub(super) fn meet(&mut self, mut row: ContactRow, shows: &Fields, is_newer: bool) {
        if row.met(shows, is_newer) {
            self.owe(&row.row_id.clone());
            self.save(row);
        }
    }

    pub(super) fn written(&mut self, row_id: &str, reply: &ContactReply) -> bool {
        let Some(row) = self.row(row_id).cloned() else { return true };
        self.write_down(row, reply)
    }

    pub(super) fn write_down(&mut self, mut row: ContactRow, reply: &ContactReply) -> bool {
        let answer = row.answer(reply);
        let taken = self.take_in(&row, &answer.agreed, &answer.theirs, &answer.edits, &answer.reported);
        self.keep_conflicts(&row, &taken.conflicts);
        row.answered_by(reply, answer, taken, self.now);
        let is_settled = row.is_settled();
        self.save(row);
        is_settled
    }

    pub(super) fn reported_of_contact(&mut self, reported: ReportedContact) {
        match reported {
            ReportedContact::Fields { row_id, fields, at, shown, .. } => {
                let Some(row) = self.row(&row_id).filter(|row| row.base.is_some()).cloned() else { return };
                match row.received(&fields, at, &shown) {
                    PullPlan::Older => {}
                    PullPlan::Unordered { is_newer } => self.meet(row, &fields, is_newer),
                    PullPlan::Follow { theirs, unread, reported } => self.follow_to(row, *theirs, unread, &reported),
                }
            }
            ReportedContact::Confirmed { row_id, at } => {
                if let Some(row) = self.rows.iter_mut().find(|row| row.row_id == row_id) {
                    row.received_at = row.received_at.max(Some(at));
                }
            }
        }
    }

    /// `sql/mark_contact_gone.sql`
    pub(super) fn mark_gone(&mut self, contact_id: &str) {
        let now = self.now;
        let Some(row) = self.by_contact(contact_id).filter(|row| row.base.is_some()).cloned() else { return };
        self.forget_words(contact_id);
        let deleted_at_ms = row.deleted_at_ms.or(Some(now));
        let (base, unanswered) = (None, Unanswered::default());
        self.save(ContactRow { deleted_at_ms, base, unanswered, edits: Edits::new(), synced_at_ms: now, ..row });
    }

    pub(super) fn is_gone_since(&mut self, contact_id: &str, began: i64) -> bool {
        let was_met = self.by_contact(contact_id).is_some_and(|row| row.was_met_since(began));
        if !was_met {
            self.mark_gone(contact_id);
        }
        !was_met
    }

    pub(super) fn look_again(&mut self, row_id: &str) {
        if let Some(row) = self.rows.iter_mut().find(|row| row.row_id == row_id) {
            row.unanswered.looks += 1;
        }
    }
}
