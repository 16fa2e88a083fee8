delete from installs where nonce = $1 and expires_at > $2 returning browser, scopes
