//! Ids at every door: what is accepted can be packed, stored and addressed, and what can't be is refused by name.

mod doors;
mod identity;
mod soup;
