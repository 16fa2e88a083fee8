delete from changes where seq <= $1
