//! Tasks that rules create when something happens to a contact in GHL, each exactly once.
//!
//! A task is created in the transaction that stores what happened: a repeated, late or retried
//! event finds it stored, and creates no task. The task's id here holds its rule and its contact,
//! so that a creation, which GHL may report any number of times, makes one task. It is a task like
//! those of producers: readers see it at once, and the ordinary push writes it to GHL.
//!
//! A change by a task is no trigger for a rule, so no rule starts another.

use job_engine::Priority;
use sync_model::decide::rules::TaskRule;
use sync_model::decide::sync_status::Progress;
use sync_model::job::JobKind;
use uuid::Uuid;

use super::contacts::ContactRow;
use super::entries::text_of;
use super::feed::{ChangeOp, Changed, Origin};
use super::history::{Via, changed_fields};
use super::runs::FollowUp;
use super::sql::sql;
use super::{RecordsError, Write};

/// The id of the rule's first task for the contact.
fn first_id(row: &ContactRow, rule: &TaskRule) -> String {
    format!("rule-{}-{}", rule.name, row.contact_id)
}

pub(super) async fn has_made(write: &mut Write, row: &ContactRow, rule: &TaskRule) -> Result<bool, RecordsError> {
    let made: i64 = sqlx::query_scalar(sql!("count_rule_tasks"))
        .bind(&row.location_id)
        .bind(&row.contact_id)
        .bind(first_id(row, rule))
        .fetch_one(write.conn())
        .await?;
    Ok(made > 0)
}

/// Makes the rule's task: its first for the contact, or `another`. False where another transaction was faster.
pub(super) async fn make(
    write: &mut Write,
    row: &ContactRow,
    rule: &TaskRule,
    another: bool,
) -> Result<bool, RecordsError> {
    let mut clienty_id = first_id(row, rule);
    if another {
        clienty_id = format!("{clienty_id}-{}", Uuid::now_v7());
    }
    let now_ms = write.now_ms;
    let row_id = Uuid::now_v7().to_string();
    let task = rule.task(&row.doc, super::ledger::timestamp(now_ms));
    let made = sqlx::query(sql!("create_rule_task"))
        .bind(&row_id)
        .bind(&row.location_id)
        .bind(&row.contact_id)
        .bind(&clienty_id)
        .bind(text_of(&task))
        .bind(now_ms)
        .execute(write.conn())
        .await?;
    if made.rows_affected() == 0 {
        return Ok(false);
    }
    let cause = write.cause.clone();
    (write.cause.origin, write.cause.via) = (Origin::Flow, Via::Rule { rule: rule.name.clone() });
    write.report(Changed {
        location_id: row.location_id.clone(),
        contact_id: row.contact_id.clone(),
        record: "task",
        record_id: row_id.clone(),
        clienty_id: Some(clienty_id),
        ghl_id: None,
        op: ChangeOp::Stored,
        fields: changed_fields(None, &task),
        sync: Some(Progress::Pending),
        is_new: true,
        was: None,
    });
    write.cause = cause;
    write.pending.push(FollowUp {
        kind: JobKind::PushTask,
        location_id: row.location_id.clone(),
        record_id: row_id,
        priority: Priority::Realtime,
    });
    Ok(true)
}
