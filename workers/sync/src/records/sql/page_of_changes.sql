-- The id that ends the page of $2 rows after the id $1. What begins with nothing begins with 0.
select cast(max(seq) as text) from (
    select seq from changes where seq > cast('0' || cast($1 as text) as bigint) order by seq limit $2
) as page
