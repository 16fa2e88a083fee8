//! A state as bytes, so that states which go on alike are equal: times count from now, epochs by their order, workers and like jobs have no names, and
//! what is over is over, however long.

use crate::lane::{Circuit, Lane, Lost, Park};
use crate::rules::Limits;
use crate::scene::Scene;
use crate::shard::{Batch, Envelope, Job, JobId, Outcome, Place, Reported, Run, Settlement, Shard};
use crate::world::{Flight, Held, Left, Owed, Request, Worker, World};

/// The time of every state that is read.
pub(crate) const BASE: u64 = 1000;

/// The bytes of a state.
pub(crate) fn pack(world: &World, scene: &Scene) -> Vec<u8> {
    let mut epochs = Vec::new();
    epochs_of(world, &mut epochs);
    epochs.retain(|epoch| *epoch > 0);
    epochs.sort_unstable();
    epochs.dedup();
    let mut writer = Writer {
        limits: &scene.limits,
        now: world.now,
        epochs: &epochs,
        order: (0..world.pending.len()).collect(),
        names: (0..world.pending.len()).map(|job| byte(job as u64)).collect(),
        bytes: Vec::with_capacity(128),
    };
    writer.name_jobs(world, scene);
    writer.world(world, scene)
}

fn epochs_of(world: &World, epochs: &mut Vec<u64>) {
    for shard in std::iter::once(&world.shard).chain(&world.older) {
        epochs.extend([shard.born, shard.epoch]);
        epochs.extend(shard.batches.iter().map(|batch| batch.epoch));
        epochs.extend(shard.jobs.iter().filter_map(|job| match job.place {
            Place::Running(run) => Some(run.epoch),
            _ => None,
        }));
        epochs.extend(shard.lanes.iter().filter_map(|lane| match lane.circuit {
            Circuit::Probing(epoch) => Some(epoch),
            _ => None,
        }));
    }
    epochs.extend(world.workers.iter().flat_map(|worker| &worker.runs).map(|held| held.epoch));
    epochs.extend(world.delayed.iter().filter_map(|request| request.settle).map(|settle| settle.epoch));
    epochs.push(world.top);
}

struct Writer<'a> {
    limits: &'a Limits,
    now: u64,
    epochs: &'a [u64],
    /// Jobs by their names, and names by their jobs.
    order: Vec<JobId>,
    names: Vec<u8>,
    bytes: Vec<u8>,
}

/// More of one thing no state has.
const MOST: usize = 16;

/// Where a time is written that lies before or after now.
const MIDDLE: u64 = 100;

impl Writer<'_> {
    fn put(&mut self, number: u64) {
        self.bytes.push(byte(number));
    }

    fn epoch(&mut self, epoch: u64) {
        let rank = self.epochs.partition_point(|other| *other <= epoch);
        self.put(rank as u64);
    }

    /// Of a time that matters as long as it is to come.
    fn until(&mut self, at: u64) {
        self.put(at.saturating_sub(self.now));
    }

    fn each<T>(&mut self, items: &[T], write: impl Fn(&mut Self, &T)) {
        self.put(items.len() as u64);
        for item in items {
            write(self, item);
        }
    }

    /// Names like jobs in the order of what is known of each. Where nothing distinguishes them any order will do.
    fn name_jobs(&mut self, world: &World, scene: &Scene) {
        if !scene.has_like_jobs {
            return;
        }
        let (mut known, mut ends) = (std::mem::take(&mut self.bytes), [0; MOST]);
        for (job, end) in ends.iter_mut().enumerate().take(world.pending.len()) {
            self.place(world.shard.jobs[job].place);
            self.put(world.pending[job] as u64);
            self.put(u64::from(world.left.pushes[job]));
            let runs = || world.workers.iter().flat_map(|worker| &worker.runs).filter(|held| held.job == job);
            match runs().count() {
                0 => {}
                1 => runs().for_each(|held| self.held(held, false)),
                _ => self.sorted(&runs().collect::<Vec<_>>(), |this, held| this.held(held, false)),
            }
            known.append(&mut self.bytes);
            *end = known.len();
        }
        let like = &scene.like;
        let of = |job: usize| &known[if job == 0 { 0 } else { ends[job - 1] }..ends[job]];
        self.order.sort_by(|one, other| (like[*one], of(*one)).cmp(&(like[*other], of(*other))));
        known.clear();
        self.bytes = known;
        for (name, job) in self.order.iter().enumerate() {
            self.names[*job] = byte(name as u64);
        }
    }

    /// In the order of their bytes.
    fn sorted<T>(&mut self, items: &[T], write: impl Fn(&mut Self, &T)) {
        self.put(items.len() as u64);
        let (begin, mut ends) = (self.bytes.len(), [0; MOST]);
        for (item, end) in items.iter().zip(&mut ends) {
            write(self, item);
            *end = self.bytes.len() - begin;
        }
        let part = |at: usize| if at == 0 { 0 } else { ends[at - 1] }..ends[at];
        let written = &self.bytes[begin..];
        let mut order: [usize; MOST] = std::array::from_fn(|at| at);
        let order = &mut order[..items.len()];
        if order.is_sorted_by_key(|at| &written[part(*at)]) {
            return;
        }
        let written = written.to_vec();
        order.sort_unstable_by_key(|at| &written[part(*at)]);
        self.bytes.truncate(begin);
        for at in order {
            self.bytes.extend(&written[part(*at)]);
        }
    }

    fn world(mut self, world: &World, scene: &Scene) -> Vec<u8> {
        let World { now: _, shard, older, workers, orphans, delayed, arrivals, pending, top, left } = world;
        self.shard(shard);
        self.put(u64::from(older.is_some()));
        if let Some(older) = older {
            self.shard(older);
        }
        self.epoch(*top);
        self.sorted(workers, |this, worker| this.sorted(&worker.runs, |this, held| this.held(held, true)));
        self.sorted(orphans, Self::flight);
        self.sorted(delayed, Self::request);
        let window = scene.window();
        for arrivals in arrivals {
            let ages: Vec<_> = arrivals.iter().map(|at| self.now - at).filter(|age| *age <= window).collect();
            self.sorted(&ages, |this, age| this.put(*age));
        }
        let Left { pushes, crashes, losses, pauses, flushes, rollbacks, failures, troubles } = left;
        for name in 0..pending.len() {
            let job = self.order[name];
            self.put(pending[job] as u64);
            self.put(u64::from(pushes[job]));
        }
        self.bytes.extend([crashes, losses, pauses, flushes, rollbacks, failures, troubles]);
        self.bytes
    }

    fn shard(&mut self, shard: &Shard) {
        let Shard { now: _, born, rest, epoch, lanes, jobs, batches } = shard;
        self.epoch(*born);
        self.until(*rest);
        self.epoch(*epoch);
        for lane in lanes {
            self.lane(lane);
        }
        for name in 0..jobs.len() {
            self.place(jobs[self.order[name]].place);
        }
        self.sorted(batches, |this, Batch { epoch, until, jobs, alone: _ }| {
            this.epoch(*epoch);
            this.until(*until);
            let jobs: Vec<_> = jobs.iter().map(|job| this.names[*job]).collect();
            this.sorted(&jobs, |this, job| this.bytes.push(*job));
        });
    }

    fn lane(&mut self, lane: &Lane) {
        let Lane { paused, hold, circuit, probe_at, failures, out, cooling, returned: _, lost, day, .. } = lane;
        self.put(u64::from(*paused) + 2 * u64::from(lane.listed) + 4 * (lane.park as u64));
        self.until(*hold);
        match circuit {
            Circuit::Closed => self.put(0),
            Circuit::Open => self.put(1),
            Circuit::Probing(epoch) => {
                self.put(2);
                self.epoch(*epoch);
            }
        }
        self.until(if *circuit == Circuit::Closed { 0 } else { *probe_at });
        self.bytes.push(*failures);
        self.put(u64::from(*out));
        // What is due comes back at once, however long it has been.
        let mut bins: Vec<(u64, u32)> = Vec::new();
        for (at, count) in cooling {
            let left = at.saturating_sub(self.now);
            match bins.last_mut() {
                Some((last, bin)) if *last == left => *bin += count,
                _ => bins.push((left, *count)),
            }
        }
        self.each(&bins, |this, (left, count)| {
            this.put(*left);
            this.put(u64::from(*count));
        });
        self.sorted(lost, |this, Lost { at, cost, .. }| {
            this.until(*at);
            this.put(u64::from(*cost));
        });
        self.put(lane.wake.map_or(0, |at| 1 + at.saturating_sub(self.now)));
        let (today, day_bins) = (self.now / self.limits.day_bin, self.limits.day_bins);
        let counts = |bin: u64| bin + day_bins > today && self.limits.daily < u32::MAX;
        let bins: Vec<_> = day.bins.iter().filter(|(bin, _)| counts(*bin)).collect();
        self.each(&bins, |this, (bin, used)| {
            this.put(today - bin);
            this.put(u64::from(*used));
        });
    }

    fn place(&mut self, place: Place) {
        match place {
            Place::Nowhere => self.put(0),
            Place::Waiting(stored) => {
                self.put(1);
                self.stored(stored);
            }
            Place::Scheduled { due, stored } => {
                self.put(2);
                self.until(due);
                self.stored(stored);
            }
            Place::Running(Run { epoch, returned: _, stored, extra }) => {
                self.put(3 + u64::from(extra.is_some()));
                self.epoch(epoch);
                self.stored(stored);
                if let Some(extra) = extra {
                    self.stored(extra);
                }
            }
        }
    }

    /// Attempts rise for ever, and decide nothing here.
    fn stored(&mut self, Envelope { class, cost, attempt: _, crashes }: Envelope) {
        self.put(u64::from(class + 4 * crashes));
        self.put(u64::from(cost));
    }

    /// Without the name of its job where that is looked for.
    fn held(&mut self, held: &Held, named: bool) {
        let Held { job, epoch, cost, until, used, ended, call, over } = held;
        if named {
            self.bytes.push(self.names[*job]);
        }
        self.epoch(*epoch);
        self.put(u64::from(*cost));
        self.until(if over.is_some() { 0 } else { *until });
        self.put(u64::from(*used));
        let long_ago = self.now - self.limits.interval - 2;
        self.put(if *used == 0 || *ended == 0 { 0 } else { (*ended).max(long_ago) + MIDDLE - self.now });
        self.put(call.map_or(0, |call| 1 + 2 * (self.now - call.sent) + u64::from(call.arrived)));
        self.put(u64::from(over.is_some()));
        if let Some(over) = over {
            self.outcome(*over);
        }
    }

    fn flight(&mut self, flight: &Flight) {
        self.put(flight.lane as u64);
        self.put(self.now - flight.sent);
    }

    fn outcome(&mut self, outcome: Outcome) {
        let (kind, delay) = match outcome {
            Outcome::Done => (0, 0),
            Outcome::Again(delay) => (1, delay),
            Outcome::Failed(delay) => (2, delay),
            Outcome::Released => (3, 0),
            Outcome::Refused(delay) => (4, delay),
            Outcome::Broken(delay) => (5, delay),
        };
        self.put(kind);
        self.put(delay);
    }

    fn request(&mut self, Request { settle, finishes, claim }: &Request) {
        self.bytes.push(*claim);
        self.put(u64::from(*finishes) + 2 * u64::from(settle.is_some()));
        if let Some(Settlement { job, epoch, outcome, used, since, reported: _ }) = settle {
            self.bytes.push(self.names[*job]);
            self.epoch(*epoch);
            self.outcome(*outcome);
            self.put(u64::from(*used));
            let since = (*since).min(self.limits.interval.cast_signed() + 2);
            self.put(MIDDLE.saturating_add_signed(since));
        }
    }
}

fn byte(number: u64) -> u8 {
    u8::try_from(number).expect("the numbers of a scene are small")
}

/// Reads what [`pack`] has written.
pub(crate) fn unpack(bytes: &[u8], scene: &Scene) -> World {
    Reader { bytes, scene }.world()
}

struct Reader<'a> {
    bytes: &'a [u8],
    scene: &'a Scene,
}

impl Reader<'_> {
    fn take(&mut self) -> u64 {
        let (first, rest) = self.bytes.split_first().expect("a state is read as it was written");
        self.bytes = rest;
        u64::from(*first)
    }

    fn small(&mut self) -> u8 {
        self.take() as u8
    }

    fn count(&mut self) -> u32 {
        self.take() as u32
    }

    fn job(&mut self) -> JobId {
        self.take() as JobId
    }

    fn until(&mut self) -> u64 {
        BASE + self.take()
    }

    fn each<T>(&mut self, mut read: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let count = self.take();
        (0..count).map(|_| read(self)).collect()
    }

    fn world(&mut self) -> World {
        let shard = self.shard();
        let older = (self.take() > 0).then(|| self.shard());
        let top = self.take();
        let workers = self.each(|this| Worker { runs: this.each(Self::held) });
        let orphans = self.each(Self::flight);
        let delayed = self.each(Self::request);
        let arrivals = (0..shard.lanes.len()).map(|_| self.each(|this| BASE - this.take())).collect();
        let (mut pending, mut pushes) = (Vec::new(), Vec::new());
        for _ in 0..self.scene.jobs.len() {
            pending.push([Owed::Nothing, Owed::Served, Owed::Run, Owed::Push][self.job()]);
            pushes.push(self.small());
        }
        let left = Left {
            pushes,
            crashes: self.small(),
            losses: self.small(),
            pauses: self.small(),
            flushes: self.small(),
            rollbacks: self.small(),
            failures: self.small(),
            troubles: self.small(),
        };
        World { now: BASE, shard, older, workers, orphans, delayed, arrivals, pending, top, left }
    }

    fn shard(&mut self) -> Shard {
        let (born, rest, epoch) = (self.take(), self.until(), self.take());
        let lanes = self.scene.jobs.iter().map(|job| job.lane).max().map_or(0, |last| last + 1);
        let mut lanes: Vec<_> = (0..lanes).map(|_| self.lane()).collect();
        let jobs: Vec<_> = (0..self.scene.jobs.len())
            .map(|job| Job { lane: self.scene.jobs[job].lane, place: self.place() })
            .collect();
        for job in &jobs {
            if let Place::Waiting(stored) = job.place {
                lanes[job.lane].waiting[usize::from(stored.class)] += 1;
            }
        }
        let batches = self.each(|this| Batch {
            epoch: this.take(),
            until: this.until(),
            jobs: this.each(Self::job),
            alone: None,
        });
        Shard { now: BASE, born, rest, epoch, lanes, jobs, batches }
    }

    fn lane(&mut self) -> Lane {
        let flags = self.take();
        let park = [Park::No, Park::Tokens, Park::Starved, Park::DaySpent, Park::Paced][(flags / 4) as usize];
        let mut lane = Lane { paused: flags & 1 > 0, listed: flags & 2 > 0, park, ..Lane::default() };
        lane.hold = self.until();
        lane.circuit = match self.take() {
            0 => Circuit::Closed,
            1 => Circuit::Open,
            _ => Circuit::Probing(self.take()),
        };
        lane.probe_at = self.until();
        lane.failures = self.small();
        lane.out = self.count();
        lane.cooling = self.each(|this| (this.until(), this.count()));
        lane.lost = self.each(|this| Lost { at: this.until(), cost: this.count(), epoch: 0, job: 0 });
        lane.wake = match self.take() {
            0 => None,
            left => Some(BASE + left - 1),
        };
        let today = BASE / self.scene.limits.day_bin;
        lane.day.bins = self.each(|this| (today - this.take(), this.count()));
        lane
    }

    fn place(&mut self) -> Place {
        match self.take() {
            0 => Place::Nowhere,
            1 => Place::Waiting(self.stored()),
            2 => Place::Scheduled { due: self.until(), stored: self.stored() },
            kind => {
                let (epoch, stored) = (self.take(), self.stored());
                Place::Running(Run { epoch, returned: 0, stored, extra: (kind == 4).then(|| self.stored()) })
            }
        }
    }

    fn stored(&mut self) -> Envelope {
        let (class, cost) = (self.small(), self.count());
        Envelope { class: class % 4, cost, attempt: 0, crashes: class / 4 }
    }

    fn held(&mut self) -> Held {
        let (job, epoch, cost, until, used) = (self.job(), self.take(), self.count(), self.until(), self.count());
        let ended = match self.take() {
            0 => 0,
            at => BASE + at - MIDDLE,
        };
        let lane = self.scene.jobs[job].lane;
        let call = match self.take() {
            0 => None,
            call => Some(Flight { lane, sent: BASE - (call - 1) / 2, arrived: (call - 1) % 2 > 0 }),
        };
        let over = (self.take() > 0).then(|| self.outcome());
        Held { job, epoch, cost, until, used, ended, call, over }
    }

    fn flight(&mut self) -> Flight {
        Flight { lane: self.job(), sent: BASE - self.take(), arrived: false }
    }

    fn outcome(&mut self) -> Outcome {
        let (kind, delay) = (self.take(), self.take());
        match kind {
            0 => Outcome::Done,
            1 => Outcome::Again(delay),
            2 => Outcome::Failed(delay),
            3 => Outcome::Released,
            4 => Outcome::Refused(delay),
            _ => Outcome::Broken(delay),
        }
    }

    fn request(&mut self) -> Request {
        let (claim, flags) = (self.small(), self.take());
        let settle = (flags / 2 > 0).then(|| {
            let (job, epoch, outcome, used) = (self.job(), self.take(), self.outcome(), self.count());
            let since = self.take().cast_signed() - MIDDLE.cast_signed();
            Settlement { job, epoch, outcome, used, since, reported: Reported::default() }
        });
        Request { settle, finishes: flags % 2 > 0, claim }
    }
}
