-- Takes the feed's lock, as `count_erasure` does: an erasure that begins now waits for the commit.
update change_counter set erasures = erasures
