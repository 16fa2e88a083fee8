//! What is answered 202 is on the disk, and many requests share the way there.
