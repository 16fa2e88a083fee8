-- Two rotations of a key follow each other.
update api_keys set hash = hash where id = $1 and revoked_at is null returning hash
