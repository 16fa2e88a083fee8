//! OAuth: how locations and agencies come in, how their tokens stay good, and that nothing of it is reported.

mod installs;
mod jobs;
mod refreshing;
mod secrets;
mod site;
