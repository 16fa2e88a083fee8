insert into installs (nonce, browser, scopes, expires_at) values ($1, $2, $3, $4)
