//! What can be done, by the name that it has in the audit. A name never changes; a new act is a new line.

/// Names acts.
macro_rules! actions {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// What was done.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Action {
            $($(#[$doc])* $variant,)*
        }

        impl Action {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

actions! {
    /// An API key was made.
    KeyCreate = "key.create",
    /// It got a new secret.
    KeyRotate = "key.rotate",
    /// It was ended.
    KeyRevoke = "key.revoke",
    /// A person's data was erased.
    ContactErase = "contact.erase",
    /// A conflict was undone.
    ConflictUndo = "conflict.undo",
    /// Dead jobs were tried again.
    JobsRetry = "jobs.retry",
    /// Dead jobs were closed for good.
    JobsDiscard = "jobs.discard",
    /// Open jobs were closed without their work being done.
    JobsCancel = "jobs.cancel",
    /// Open jobs were made due.
    JobsRunNow = "jobs.run-now",
    /// The jobs of a location, or of a kind, were paused.
    JobsPause = "jobs.pause",
    /// They go on.
    JobsResume = "jobs.resume",
    /// A scan of a location was begun, or an import goes on.
    ScanStart = "scan.start",
    /// The data of a person was looked at in the console.
    PersonRead = "person.read",
    /// A location got a login.
    LocationConnect = "location.connect",
    /// Its login was forgotten.
    LocationDisconnect = "location.disconnect",
    /// An agency got a login.
    AgencyConnect = "agency.connect",
    /// Its login was taken back.
    AgencyDisconnect = "agency.disconnect",
    /// Tokens were sealed with the newest master key.
    SecretsRotate = "secrets.rotate",
    /// A hook was made.
    HookCreate = "hook.create",
    /// It got a new secret.
    HookRotate = "hook.rotate",
    /// Its address or its filters were changed.
    HookEdit = "hook.edit",
    /// Nothing is sent to it for now.
    HookDisable = "hook.disable",
    /// Messages are sent to it again.
    HookEnable = "hook.enable",
    /// It was ended.
    HookDelete = "hook.delete",
    /// What did not arrive is sent to it again.
    HookRecover = "hook.recover",
    /// A message of it is sent again.
    HookResend = "hook.resend",
    /// A version of a flow was written.
    FlowWrite = "flow.write",
    /// It was deleted.
    FlowDelete = "flow.delete",
    /// It starts runs again.
    FlowEnable = "flow.enable",
    /// It starts no runs for now.
    FlowDisable = "flow.disable",
    /// A secret of flows was stored.
    FlowSecretSet = "flow-secret.set",
    /// It was forgotten.
    FlowSecretRemove = "flow-secret.remove",
    /// A run of it was started by hand.
    FlowRun = "flow.run",
    /// A run was ended before its end.
    RunStop = "flow-run.stop",
    /// A provider of enrichment got a key.
    EnrichConnect = "enrich.connect",
    /// Contacts were looked up by hand.
    EnrichRun = "enrich.run",
    /// What a provider gave was taken back.
    EnrichUndo = "enrich.undo",
    /// A version of a mapping was written.
    MappingWrite = "mapping.write",
    /// A mapping was deleted.
    MappingDelete = "mapping.delete",
    /// The audit was read.
    AuditRead = "audit.read",
    /// Old rows of the audit were forgotten.
    AuditForget = "audit.forget",
}
