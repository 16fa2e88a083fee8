delete from tokens where holder = $1
