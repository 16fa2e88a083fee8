-- Takes the feed's lock: whoever writes after this sees the erasure, and what was written before is seen by it.
update change_counter set erasures = erasures + 1
