//! Where worlds begin, and what is said in them. Each scene is small enough for all its orders to be tried.

use serde_json::json;

use super::*;

/// A scene: its name, what may be said, and how much of it.
pub(super) struct Scene {
    pub(super) name: &'static str,
    pub(super) alphabet: &'static [Edit],
    pub(super) edits: usize,
    pub(super) start: fn(Policy) -> World,
}

const fn ours(act: Act) -> Edit {
    Edit::Ours { contact_id: Some("C1"), clienty_id: None, act }
}

const fn theirs(act: Act) -> Edit {
    Edit::Theirs { id: "C1", act }
}

const fn of(contact_id: Option<&'static str>, clienty_id: &'static str, act: Act) -> Edit {
    Edit::Ours { contact_id, clienty_id: Some(clienty_id), act }
}

pub(super) const SCENES: [Scene; 8] = [
    Scene {
        name: "one field that both sides edit, back and forth",
        alphabet: &[
            ours(Act::Set("city", Some("1:b"))),
            ours(Act::Set("city", Some("1:a"))),
            theirs(Act::Set("city", Some("1:c"))),
            theirs(Act::Set("city", Some("1:b"))),
        ],
        edits: 4,
        start: known,
    },
    Scene {
        name: "a tag and a field, each with its own calls",
        alphabet: &[
            ours(Act::Set("city", Some("1:b"))),
            ours(Act::Set("tags.vip", Some("x"))),
            ours(Act::Set("tags.vip", None)),
            theirs(Act::Set("tags.vip", Some("x"))),
            theirs(Act::Set("city", None)),
        ],
        edits: 3,
        start: known,
    },
    Scene {
        name: "a value that GHL keeps in a form of its own",
        alphabet: &[
            ours(Act::Set("email", Some("1:B@x.de"))),
            ours(Act::Set("email", None)),
            theirs(Act::Set("email", Some("1:c@x.de"))),
            theirs(Act::Set("email", Some("1:b@x.de"))),
        ],
        edits: 3,
        start: known,
    },
    Scene {
        name: "deletions and restorations beside edits",
        alphabet: &[
            ours(Act::Set("city", Some("1:b"))),
            ours(Act::Delete),
            theirs(Act::Set("city", Some("1:c"))),
            theirs(Act::Delete),
            theirs(Act::Restore),
        ],
        edits: 3,
        start: known,
    },
    Scene {
        name: "a contact that no one has read",
        alphabet: &[
            ours(Act::Set("city", Some("1:b"))),
            ours(Act::Set("city", None)),
            theirs(Act::Set("city", Some("1:c"))),
            of(Some("C1"), "k1", Act::Set("tags.vip", Some("x"))),
        ],
        edits: 3,
        start: unread,
    },
    Scene {
        name: "creates of two producers and of GHL, of one person and of another with the same phone",
        alphabet: &[
            of(None, "k1", Act::Create(&[("email", "1:a@x.de"), ("phone", "+14155550101"), ("city", "1:a")])),
            of(None, "k2", Act::Create(&[("email", "2:a@x.de"), ("phone", "+14155550101"), ("city", "2:a")])),
            Edit::Theirs { id: "", act: Act::Create(&[("email", "1:a@x.de"), ("city", "1:c")]) },
            of(None, "k1", Act::Set("city", Some("1:b"))),
            of(None, "k2", Act::Delete),
        ],
        edits: 3,
        start: empty,
    },
    Scene {
        name: "a create that a producer links to GHL's id",
        alphabet: &[
            of(None, "k1", Act::Create(&[("firstName", "1:Ann")])),
            of(Some("C1"), "k1", Act::Set("city", Some("1:b"))),
            of(None, "k1", Act::Set("city", Some("1:c"))),
            Edit::Theirs { id: "", act: Act::Create(&[("firstName", "1:Ann"), ("city", "1:d")]) },
        ],
        edits: 3,
        start: empty,
    },
    Scene {
        name: "contacts that GHL merges",
        alphabet: &[
            of(None, "k1", Act::Set("city", Some("1:b"))),
            Edit::Merge("C1", "C2"),
            of(Some("C2"), "k1", Act::Set("city", Some("1:d"))),
            Edit::Theirs { id: "C2", act: Act::Set("city", Some("1:c")) },
        ],
        edits: 3,
        start: two,
    },
];

fn empty(policy: Policy) -> World {
    World {
        now: 1_000_000_000,
        policies: Policies { default: policy, ..Policies::default() },
        alphabet: &[],
        left: Left { edits: 0, faults: 0, scans: 0 },
        ghl: Ghl { is_unique: true, ..Ghl::default() },
        rows: Vec::new(),
        aliases: BTreeMap::new(),
        jobs: BTreeMap::new(),
        dead: BTreeSet::new(),
        pushes: BTreeMap::new(),
        requests: BTreeSet::new(),
        inbox: BTreeMap::new(),
        pulls: BTreeMap::new(),
        received: BTreeMap::new(),
        post: Vec::new(),
        wire: Vec::new(),
        fresh: BTreeSet::new(),
        oracle: Oracle::default(),
        made_by: BTreeMap::new(),
        person_of: BTreeMap::new(),
        wrong: None,
        is_after_look: false,
    }
}

/// GHL has a contact of long ago.
fn unread(policy: Policy) -> World {
    let mut world = empty(policy);
    let set: Fields = serde_json::from_value(json!({"city": "1:a", "email": "1:a@x.de"})).unwrap();
    let made = world.ghl.create(&with_fields(&Contact::default(), &set), 1_000).unwrap();
    world.person_of.insert(made.contact.id.clone(), person(&made.contact));
    for (name, held) in set {
        world.oracle.say("C1", &name, Side::Ghl, held);
    }
    world
}

/// And both sides know it.
fn known(policy: Policy) -> World {
    let mut world = unread(policy);
    let there = world.ghl.people["C1"].clone();
    world.rows.push(bare(LOCATION, "C1").first_met(&there, 2_000));
    world.report("C1");
    for name in FIELDS {
        world.oracle.words.entry(("C1".to_owned(), name.to_owned())).or_default();
        if value(&fields(&there), name).is_null() {
            world.oracle.say("C1", name, Side::Ghl, Value::Null);
        }
    }
    world.check().unwrap();
    world
}

/// Two contacts that both sides know, one of them a producer's.
fn two(policy: Policy) -> World {
    let mut world = known(policy);
    world.rows[0].clienty_id = Some("k1".to_owned());
    world.aliases.insert("k1".to_owned(), "C1".to_owned());
    let set: Fields = serde_json::from_value(json!({"city": "1:z", "email": "1:z@x.de"})).unwrap();
    let made = world.ghl.create(&with_fields(&Contact::default(), &set), 1_001).unwrap();
    world.person_of.insert(made.contact.id.clone(), "1".to_owned());
    world.rows.push(bare(LOCATION, "C2").first_met(&made.contact, 2_000));
    for (name, held) in set {
        world.oracle.say("C2", &name, Side::Ghl, held);
    }
    world.check().unwrap();
    world
}
