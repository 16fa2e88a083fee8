delete from installs where expires_at <= $1
