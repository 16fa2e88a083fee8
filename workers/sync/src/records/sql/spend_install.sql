insert into spent_installs (nonce, expires_at) values ($1, $2) on conflict (nonce) do nothing
