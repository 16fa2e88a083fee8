//! The push: its calls, what GHL makes of them, and what Clienty makes of the answers.

use super::*;

impl World {
    pub(super) fn start_push(&mut self, row_id: &str) {
        let began = self.tick();
        if let Some(job) = self.jobs.get_mut(row_id) {
            job.again = false;
        }
        let Some(row) = self.row(row_id).cloned() else { return self.close(row_id) };
        match row.push_step() {
            PushStep::Refused(_) => self.refuse(row_id),
            PushStep::Close => self.close(row_id),
            PushStep::LookWhetherBack => self.look(row, began, true),
            PushStep::SettleAnnouncement => {
                let found = row.intent.as_ref().and_then(|announced| self.search(&row, announced));
                self.begin(row, began, Stage::Search { found });
            }
            PushStep::Create => self.send_create(row, began),
            PushStep::Delete => {
                let mut now = row.clone();
                now.unanswered = Unanswered::default();
                self.put(now);
                let call = Call::Delete { id: row.contact_id.clone() };
                self.send(row, began, call, Vec::new(), None, false);
            }
            PushStep::Change => {
                let unanswered = self.inbox.get(&row.contact_id).map(Vec::as_slice).unwrap_or_default();
                if row.looks_first(&self.policies) || webhook_diff::are_news(&row, unanswered) {
                    self.look(row, began, false);
                } else {
                    self.change(row, began);
                }
            }
        }
    }

    /// Writes a row without counting it as a change.
    pub(super) fn put(&mut self, row: ContactRow) {
        if let Some(kept) = self.rows.iter_mut().find(|kept| kept.row_id == row.row_id) {
            *kept = row;
        }
    }

    pub(super) fn begin(&mut self, row: ContactRow, began: i64, stage: Stage) {
        self.pushes.insert(row.row_id.clone(), PushRun { row, stage, began });
    }

    pub(super) fn look(&mut self, row: ContactRow, began: i64, is_back: bool) {
        // A webhook that comes during the look is not weighed before the write (O7).
        self.oracle.call(&row.row_id);
        let theirs = self.ghl.people.get(&row.contact_id).cloned();
        self.begin(row, began, Stage::Look { theirs, is_back });
    }

    pub(super) fn send(
        &mut self,
        row: ContactRow,
        began: i64,
        call: Call,
        rest: Vec<Call>,
        reached: Option<ContactReply>,
        refused: bool,
    ) {
        self.fresh.insert(row.row_id.clone());
        if !std::mem::take(&mut self.is_after_look) {
            self.oracle.call(&row.row_id);
        }
        self.begin(row, began, Stage::Sent { call, answer: None, rest, reached, refused });
    }

    pub(super) fn send_create(&mut self, row: ContactRow, began: i64) {
        let wanted = without_held(&row);
        let mut now = row.clone();
        (now.intent, now.intent_at_ms) = (Some(wanted.clone()), Some(self.now));
        self.put(now);
        self.send(row, began, Call::Create(Box::new(wanted)), Vec::new(), None, false);
    }

    pub(super) fn change(&mut self, row: ContactRow, began: i64) {
        let Some(base) = row.base.clone() else { return self.close(&row.row_id.clone()) };
        let pending = row.pending();
        let plan = plan(&pending.sendable, &fields(&base), &row.fingerprints);
        let id = row.contact_id.clone();
        let mut calls = Vec::new();
        if !plan.update.is_empty() {
            calls.push(Call::Update { id: id.clone(), fields: plan.update });
        }
        for (tags, adds) in [(plan.add_tags, true), (plan.remove_tags, false)] {
            if !tags.is_empty() {
                calls.push(Call::Tags { id: id.clone(), adds, tags });
            }
        }
        let unread = row.unread.clone();
        let reached =
            ContactReply { asked: plan.unsendable, contact: base, refused: Vec::new(), is_partial: false, unread };
        if calls.is_empty() {
            return self.finish_change(&row.row_id.clone(), &reached, false);
        }
        let mut now = row.clone();
        (now.unanswered.asked, now.unanswered.at_ms) = (pending.fields, Some(self.now));
        self.put(now);
        let first = calls.remove(0);
        self.send(row, began, first, calls, Some(reached), false);
    }

    pub(super) fn finish_change(&mut self, row_id: &str, reached: &ContactReply, is_refused: bool) {
        let is_settled = self.written(row_id, reached);
        match (is_refused, is_settled) {
            (true, _) => self.refuse(row_id),
            (false, true) => self.close(row_id),
            (false, false) => self.keep_open(row_id),
        }
    }

    /// `push_contact/create.rs`: what the announced create made.
    pub(super) fn search(&self, row: &ContactRow, announced: &Contact) -> Option<Contact> {
        let is_new = |there: &Contact| {
            there.date_added.is_some() && !match_lost_create::predates(there.date_added, row.intent_at_ms)
        };
        let there = self.ghl.by_identity(announced);
        if there.is_none() && (announced.email.is_some() || announced.phone.is_some()) {
            return None;
        }
        if let Some(there) = there.filter(|there| !match_lost_create::predates(there.date_added, row.intent_at_ms)) {
            let fits = match_lost_create::is_of(announced, &there)
                && (row.is_visible() || match_lost_create::fits_contact(announced, &there));
            if !matches!(self.judge(row, announced, &there), Judged::Another) && fits && is_new(&there) {
                return Some(there);
            }
        }
        let mut others = self.ghl.people.values();
        others
            .find(|reported| {
                let fits = match_lost_create::fits_contact(announced, reported)
                    && !match_lost_create::is_namesake(announced, reported);
                let known = self.by_contact(&reported.id);
                fits && is_new(reported) && known.is_none_or(|known| known.was_first_met_since(row.intent_at_ms))
            })
            .cloned()
    }

    pub(super) fn judge(&self, row: &ContactRow, wanted: &Contact, there: &Contact) -> Judged {
        if let Some(known) = self.by_any(&there.id).filter(|known| known.row_id != row.row_id) {
            if known.awaits_deletion() && self.jobs.contains_key(&known.row_id) {
                return Judged::GoesSoon;
            }
            if known.awaits_deletion() || known.clienty_id.is_some() {
                return Judged::Another;
            }
        }
        match identity::compare(wanted, there) {
            Identity::Same => Judged::Same,
            Identity::Contradicts | Identity::Unknown => Judged::Another,
        }
    }

    /// GHL does what a call asks. `seen`: the words that Clienty had been reported when it sent it.
    pub(super) fn arrive(&mut self, row_id: &str, call: &Call, seen: &BTreeSet<u32>) -> Result<Answer, String> {
        let at = self.tick();
        let clienty_id = self.row(row_id).and_then(|row| row.clienty_id.clone());
        if let Call::Delete { id } = call
            && let (Some(clienty_id), Some(person)) = (&clienty_id, self.person_of.get(id))
            && clienty_id.trim_start_matches('k') != person
        {
            return Err(format!("(c) the deletion of {clienty_id} deletes {id}, another person"));
        }
        let (answer, event) = self.ghl.answer(call, at);
        if let Some(event) = &event {
            self.oracle.writes += 1;
            let held = fields(&event.contact);
            let changed = match call {
                Call::Create(_) => {
                    if let Some(clienty_id) = &clienty_id {
                        self.made_by.insert(event.contact.id.clone(), clienty_id.clone());
                        self.person_of.insert(event.contact.id.clone(), clienty_id.trim_start_matches('k').to_owned());
                    }
                    held.clone()
                }
                Call::Update { fields, .. } => fields.clone(),
                Call::Tags { adds, tags, .. } => {
                    let value = if *adds { Value::Bool(true) } else { Value::Null };
                    tags.iter().map(|tag| (format!("tags.{tag}"), value.clone())).collect()
                }
                Call::Delete { .. } => Fields::new(),
            };
            for (name, wrote) in changed {
                let words = self.oracle.words.get_mut(&(row_id.to_owned(), name.clone()));
                for word in words.into_iter().flatten() {
                    match word.by {
                        Side::Clienty => word.has_arrived |= answers(&name, &word.value, &wrote),
                        Side::Ghl if !answers(&name, &word.value, &wrote) => {
                            word.is_overwritten_unseen |= !seen.contains(&word.number);
                        }
                        Side::Ghl => {}
                    }
                }
            }
            if matches!(call, Call::Delete { .. }) {
                self.forget_words(&event.contact.id.clone());
            }
        }
        self.emit(event);
        Ok(answer)
    }

    pub(super) fn answer(&mut self, row_id: &str) -> Outcome {
        let Some(PushRun { row, stage, began }) = self.pushes.get(row_id).cloned() else { return Ok(()) };
        match stage {
            Stage::Look { theirs, is_back } => self.looked(row, theirs, began, is_back),
            Stage::Search { found } => {
                let announced = row.intent.clone().unwrap_or_default();
                match found {
                    Some(there) => {
                        let asked = fields(&announced);
                        let is_as_sent = match_lost_create::fits_contact(&announced, &there);
                        self.link(&row, &there, is_as_sent.then_some(&asked), true, false);
                    }
                    None if self.fresh.contains(row_id) => self.wait(row_id),
                    None => {
                        if let Some(mut now) = self.row(row_id).cloned() {
                            (now.intent, now.intent_at_ms) = (None, None);
                            self.put(now);
                        }
                        if row.is_visible() { self.keep_open(row_id) } else { self.close(row_id) }
                    }
                }
            }
            Stage::Sent { call, answer, rest, reached, refused, .. } => {
                let Some(answer) = answer else { return Ok(()) };
                match call {
                    Call::Create(wanted) => self.created(row, &wanted, answer, began),
                    Call::Delete { .. } => self.deleted(&row),
                    call => self.changed(row, call, answer, rest, reached, refused, began),
                }
            }
        }
        Ok(())
    }

    pub(super) fn looked(&mut self, row: ContactRow, theirs: Option<Contact>, began: i64, is_back: bool) {
        let row_id = row.row_id.clone();
        let Some(theirs) = theirs else {
            if !self.is_gone_since(&row.contact_id, began) {
                return self.keep_open(&row_id);
            }
            let Some(mut now) = self.row(&row_id).cloned() else { return self.close(&row_id) };
            if is_back {
                if !now.is_looked_at_as(&row) && now.unanswered.needs_look() {
                    return self.keep_open(&row_id);
                }
                now.unanswered = Unanswered::default();
                self.put(now);
                return self.close(&row_id);
            }
            return self.gone(&row, began);
        };
        let base = row.base.as_ref().map(fields).unwrap_or_default();
        let is_fresh = row.unanswered.at_ms.is_some() && self.fresh.contains(&row_id);
        if is_fresh && may_still_arrive(&row.unanswered.asked, &row.pending().fields, &base, &fields(&theirs), &[]) {
            return self.wait(&row_id);
        }
        if let Some(now) = self.row(&row_id).cloned() {
            if now.is_looked_at_as(&row) {
                self.follow(now, &theirs);
                if let Some(mut now) = self.row(&row_id).cloned() {
                    now.unanswered = Unanswered::default();
                    self.put(now);
                }
            } else {
                self.look_again(&row_id);
            }
        }
        match self.row(&row_id).cloned() {
            None => self.close(&row_id),
            Some(row) if row.unanswered.needs_look() => self.keep_open(&row_id),
            Some(_) if is_back => self.close(&row_id),
            Some(row) if row.is_settled() => self.close(&row_id),
            Some(row) => {
                let began = self.tick();
                self.is_after_look = true;
                self.change(row, began);
                self.is_after_look = false;
            }
        }
    }

    pub(super) fn gone(&mut self, row: &ContactRow, began: i64) {
        if !self.is_gone_since(&row.contact_id, began) {
            self.look_again(&row.row_id);
            return self.keep_open(&row.row_id);
        }
        self.refuse(&row.row_id);
    }

    pub(super) fn deleted(&mut self, row: &ContactRow) {
        let now = self.row(&row.row_id).cloned();
        match now {
            Some(now) if now.is_visible() => self.close(&row.row_id),
            Some(now) if now.unanswered.needs_look() => {
                self.mark_gone(&row.contact_id);
                self.look_again(&row.row_id);
                self.keep_open(&row.row_id);
            }
            _ => {
                self.mark_gone(&row.contact_id);
                self.close(&row.row_id);
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the state of a run")]
    pub(super) fn changed(
        &mut self,
        row: ContactRow,
        call: Call,
        answer: Answer,
        rest: Vec<Call>,
        reached: Option<ContactReply>,
        mut is_refused: bool,
        began: i64,
    ) {
        let Some(mut reached) = reached else { return };
        let row_id = row.row_id.clone();
        let asked: Fields = match &call {
            Call::Update { fields, .. } => fields.clone(),
            Call::Tags { adds, tags, .. } => {
                let value = if *adds { Value::Bool(true) } else { Value::Null };
                tags.iter().map(|tag| (format!("tags.{tag}"), value.clone())).collect()
            }
            Call::Create(_) | Call::Delete { .. } => Fields::new(),
        };
        let mut rest = rest;
        match answer {
            Answer::Gone => return self.gone(&row, began),
            Answer::Contact(reply) => {
                let mut expected = fields(&reached.contact);
                for (name, value) in &asked {
                    set(&mut expected, name, value.clone());
                }
                let expected = with_fields(&reached.contact, &expected);
                reached.unread = reply.unread_after(&reached.unread, Some(&expected));
                reached.unread.extend(reply.unconfirmed(&asked));
                reached.contact = reply.completed(&expected);
                reached.asked.extend(asked);
            }
            Answer::Tags(tags) => {
                reached.asked.extend(asked);
                reached.holds_tags(tags);
            }
            Answer::Duplicate { field, .. } => {
                let refusal = Refusal { at: self.timestamp(), reason: "duplicate".to_owned() };
                let blamed = refused::blamed::<Contact>(&asked, &[field]);
                reached.refused.extend(refused::refused(
                    &blamed,
                    &row.base.as_ref().map(fields).unwrap_or_default(),
                    &refusal,
                ));
                is_refused = true;
                let left: Fields = asked.into_iter().filter(|(name, _)| !blamed.contains_key(name)).collect();
                if !left.is_empty() {
                    rest.insert(0, Call::Update { id: row.contact_id.clone(), fields: left });
                }
            }
            Answer::Done => {}
        }
        if !rest.is_empty() {
            let next = rest.remove(0);
            if let Some(mut now) = self.row(&row_id).cloned() {
                (now.unanswered.asked, now.unanswered.at_ms) = (row.pending().fields, Some(self.now));
                self.put(now);
            }
            return self.send(row, began, next, rest, Some(reached), is_refused);
        }
        if Some(&reached.contact) == row.base.as_ref() && is_refused && reached.asked.is_empty() {
            if let Some(mut now) = self.row(&row_id).cloned() {
                (now.unanswered.asked, now.unanswered.at_ms) = (Fields::new(), None);
                let refusal = Refusal { at: self.timestamp(), reason: "duplicate".to_owned() };
                now.sync = Some(SyncState::refused(refusal, reached.refused, row.pending().held));
                self.save(now);
            }
            return self.refuse(&row_id);
        }
        self.finish_change(&row_id, &reached, is_refused);
    }

    pub(super) fn timestamp(&self) -> Timestamp {
        Timestamp::from_millisecond(self.now).unwrap()
    }

    pub(super) fn created(&mut self, row: ContactRow, wanted: &Contact, answer: Answer, began: i64) {
        let row_id = row.row_id.clone();
        let (contact_id, field) = match answer {
            Answer::Contact(made) => return self.link(&row, &made, Some(&fields(wanted)), true, true),
            Answer::Duplicate { contact_id, field } => (contact_id, field),
            Answer::Tags(_) | Answer::Done | Answer::Gone => return,
        };
        if let Some(mut now) = self.row(&row_id).cloned() {
            (now.intent, now.intent_at_ms) = (None, None);
            self.put(now);
        }
        let there = self.ghl.people.get(&contact_id).cloned();
        match there.as_ref().map(|there| self.judge(&row, wanted, there)) {
            Some(Judged::Same) => self.link(&row, &there.unwrap_or_default(), None, false, false),
            Some(Judged::GoesSoon) => self.wait(&row_id),
            Some(Judged::Another) | None => {
                let shared = shared(wanted, there.as_ref(), Some(field));
                let (left_out, rest): (Fields, Fields) =
                    fields(wanted).into_iter().partition(|(name, _)| shared.contains(&name.as_str()));
                let is_somebody = is_somebody(&rest) && !left_out.is_empty();
                let left_out = if is_somebody { left_out } else { left_out.into_iter().chain(rest).collect() };
                let refusal = Refusal { at: self.timestamp(), reason: "another".to_owned() };
                if let Some(mut now) = self.row(&row_id).cloned() {
                    let earlier = held(&now);
                    let values = refused::refused(&left_out, &Fields::new(), &refusal);
                    now.sync = Some(SyncState::refused(refusal, values, earlier));
                    self.save(now);
                }
                if is_somebody { self.keep_open(&row_id) } else { self.refuse(&row_id) }
            }
        }
        let _ = began;
    }

    /// `contacts/answers.rs`: GHL has the pending contact.
    pub(super) fn link(
        &mut self,
        before: &ContactRow,
        theirs: &Contact,
        asked: Option<&Fields>,
        is_made: bool,
        is_reply: bool,
    ) {
        let run = before.row_id.clone();
        let Some(mut row) = self.row(&run).cloned() else { return self.close(&run) };
        let other = self.by_contact(&theirs.id).filter(|other| other.row_id != row.row_id).cloned();
        match (row.linking(&theirs.id, other.as_ref(), is_made, asked.is_some()), other) {
            (Linking::IsAnother, _) => {
                self.requests.insert(theirs.id.clone());
                return if row.is_settled() { self.close(&run) } else { self.keep_open(&run) };
            }
            (Linking::Raced, _) => return self.keep_open(&run),
            (Linking::Join, Some(other)) => {
                if !self.person_of.contains_key(&theirs.id) {
                    self.person_of.insert(theirs.id.clone(), person(&other.doc));
                }
                row = self.join(row, other, asked.unwrap_or(&Fields::new()));
            }
            (Linking::Join | Linking::Move, _) => {
                let old = row.contact_id.clone();
                self.move_to(&old, &theirs.id);
                row.contact_id.clone_from(&theirs.id);
                self.oracle.join(&theirs.id, &row.row_id);
            }
        }
        let row_id = row.row_id.clone();
        let sent = row.intent.take();
        row.intent_at_ms = None;
        let (theirs, linked) = row.linked(theirs, sent.as_ref(), asked, is_made, is_reply);
        match linked {
            Linked::Reply(reply) => {
                self.write_down(row, &reply);
            }
            Linked::Follow { .. } => {
                self.save(row);
                if let Some(row) = self.row(&row_id).cloned() {
                    self.follow(row, &theirs);
                }
            }
        }
        if row_id != run {
            self.close(&run);
            self.owe(&row_id);
        } else if self.row(&run).is_some_and(|row| !row.is_settled()) {
            self.keep_open(&run);
        } else {
            self.close(&run);
        }
    }
}
