create trigger if not exists audit_is_not_changed
before update on audit
begin
    select raise(abort, 'a row of the audit is never changed');
end;

create trigger if not exists audit_is_not_deleted
before delete on audit
when old.seq > (select forgotten_seq from audit_ends)
begin
    select raise(abort, 'a row of the audit goes only when retention has noted it');
end;
