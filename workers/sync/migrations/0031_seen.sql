-- JSON: GHL's ids of the entries of its kind that its contact had before this one was announced. What is among them is not what a lost create made.
alter table entries add column seen text;
