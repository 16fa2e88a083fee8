-- What changes took away that have numbers from after $1 up to $2.
update changes set was = null where seq > $1 and seq <= $2 and was is not null
