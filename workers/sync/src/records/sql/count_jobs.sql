select state, count(*) from jobs group by state
