delete from audit where seq <= $1
