create or replace function audit_is_kept() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' and old.seq <= (select forgotten_seq from audit_ends) then
        return old;
    end if;
    raise exception 'a row of the audit is never changed, and goes only when retention has noted it';
end
$$;

create trigger audit_is_kept before update or delete on audit for each row execute function audit_is_kept();
create trigger audit_is_not_emptied before truncate on audit for each statement execute function audit_is_kept();
