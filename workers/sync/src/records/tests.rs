//! Tests of several modules together.

mod world;
