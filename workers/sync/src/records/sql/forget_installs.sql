delete from spent_installs where expires_at <= $1
