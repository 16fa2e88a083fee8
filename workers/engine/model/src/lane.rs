//! A lane: its tokens, its day, and what stops it. Each cause stands for itself, and none ends another.

use crate::rules::{Limits, Mutant, Rules};

/// A lane as the functions keep it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lane {
    /// By a person.
    pub paused: bool,
    /// Until when the server refuses.
    pub hold: u64,
    /// See [`Circuit`].
    pub circuit: Circuit,
    /// From when on an open circuit is probed.
    pub probe_at: u64,
    /// Failed runs in a row.
    pub failures: u8,
    /// Tokens that running jobs hold, and those of dead workers.
    pub out: u32,
    /// When how many tokens come back, in their order.
    pub cooling: Vec<(u64, u32)>,
    /// All that ever came back.
    pub returned: u64,
    /// Of `out`, those of dead workers: when they come back, how many, and of which claim.
    pub lost: Vec<Lost>,
    /// Calls of the day.
    pub day: Day,
    /// What the server reported its limits for an interval and a day, or 0; and when.
    pub reported: (u32, u32, u64),
    /// How many jobs of each class wait.
    pub waiting: [u32; 3],
    /// What keeps it from paying.
    pub park: Park,
    /// Whether a claim will come upon it.
    pub listed: bool,
    /// When time will.
    pub wake: Option<u64>,
}

/// Tokens of a dead worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lost {
    /// When they come back.
    pub at: u64,
    /// How many.
    pub cost: u32,
    /// The claim that they were taken by.
    pub epoch: u64,
    /// The job that they were taken for.
    pub job: usize,
}

/// Whether a lane's failures have stopped it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Circuit {
    /// They have not.
    #[default]
    Closed,
    /// One job may probe it from a time on.
    Open,
    /// That job runs, by its epoch.
    Probing(u64),
}

/// What keeps a lane from paying for its next job.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Park {
    /// Nothing.
    #[default]
    No,
    /// Tokens, which come back at a known time.
    Tokens,
    /// Tokens, all of which are out.
    Starved,
    /// The calls of its day.
    DaySpent,
    /// What the day leaves to bulk for now.
    Paced,
}

/// Calls of a day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Day {
    /// By the bins in which they were counted.
    pub bins: Vec<(u64, u32)>,
    /// Those of others by the server's last word, and when that was.
    pub others: (u32, u64),
}

impl Lane {
    /// The limit for an interval: that which is set, or what the server reported where it is less.
    #[must_use]
    pub fn burst(&self, limits: &Limits) -> u32 {
        if self.reported.0 > 0 { limits.burst.min(self.reported.0) } else { limits.burst }
    }

    fn daily(&self, limits: &Limits) -> u32 {
        if self.reported.1 > 0 { limits.daily.min(self.reported.1) } else { limits.daily }
    }

    fn daily_reserve(&self, limits: &Limits) -> u32 {
        let daily = self.daily(limits);
        if daily == limits.daily { limits.daily_reserve } else { daily / 5 }
    }

    fn reserve(&self, limits: &Limits) -> u32 {
        limits.reserve.min(self.burst(limits) - 1)
    }

    /// What a job of a class is claimed at: more would never be free.
    #[must_use]
    pub fn clamp(&self, limits: &Limits, class: u8, cost: u32) -> u32 {
        let (kept, kept_today) = if class == 2 { (self.reserve(limits), self.daily_reserve(limits)) } else { (0, 0) };
        let most = (self.burst(limits) - kept).min(self.daily(limits).saturating_sub(kept_today)).max(1);
        cost.min(most)
    }

    /// Tokens that cool.
    #[must_use]
    pub fn cooling(&self) -> u32 {
        self.cooling.iter().map(|(_, count)| count).sum()
    }

    /// Tokens that can be taken; less than none where the server has reported a lower limit than was spent.
    #[must_use]
    pub fn free(&self, limits: &Limits) -> i64 {
        i64::from(self.burst(limits)) - i64::from(self.out) - i64::from(self.cooling())
    }

    /// Puts tokens aside until `at`, or until those before them come back.
    pub(crate) fn cool(&mut self, limits: &Limits, count: u32, at: u64) {
        if count == 0 {
            return;
        }
        let at = at.div_ceil(limits.bin) * limits.bin;
        match self.cooling.last_mut() {
            Some((last, bin)) if at <= *last => *bin += count,
            _ => self.cooling.push((at, count)),
        }
    }

    /// Takes back the tokens whose time is over.
    pub(crate) fn thaw(&mut self, now: u64) {
        let due = self.cooling.iter().take_while(|(at, _)| *at <= now).count();
        self.returned += self.cooling.drain(..due).map(|(_, count)| u64::from(count)).sum::<u64>();
    }

    /// Forgets calls that count no more.
    pub(crate) fn turn_day(&mut self, rules: &Rules, now: u64) {
        let Limits { day_bin, day_bins, .. } = rules.limits;
        let counts = day_bins - u64::from(rules.breaks(Mutant::DayIsShort));
        self.day.bins.retain(|(bin, _)| bin + counts > now / day_bin);
        if self.day.others.1 / day_bin + day_bins <= now / day_bin {
            self.day.others.0 = 0;
        }
    }

    /// Counts calls that were sent.
    pub(crate) fn spend(&mut self, limits: &Limits, count: u32, now: u64) {
        let bin = now / limits.day_bin;
        match self.day.bins.last_mut() {
            Some((last, used)) if *last == bin => *used += count,
            _ if count > 0 => self.day.bins.push((bin, count)),
            _ => {}
        }
    }

    fn own_today(&self) -> u32 {
        self.day.bins.iter().map(|(_, used)| used).sum()
    }

    /// Calls of the day that are left.
    pub(crate) fn day_left(&self, limits: &Limits) -> i64 {
        i64::from(self.daily(limits)) - i64::from(self.own_today() + self.day.others.0) - i64::from(self.out)
    }

    fn day_left_to_bulk(&self, limits: &Limits, now: u64) -> i64 {
        const SPREAD: i64 = 24;
        let all = i64::from(self.daily(limits) - self.daily_reserve(limits));
        let spent = self.spent_in_bin(limits, now);
        let before = i64::from(self.own_today()) - (spent - i64::from(self.out));
        let surplus = all - before - i64::from(self.day.others.0);
        (surplus - all / 2).max(surplus.div_euclid(SPREAD)).max(0) - spent
    }

    fn spent_in_bin(&self, limits: &Limits, now: u64) -> i64 {
        let present = now / limits.day_bin;
        let used = self.day.bins.last().filter(|(bin, _)| *bin == present).map_or(0, |(_, used)| *used);
        i64::from(used) + i64::from(self.out)
    }

    /// What parks the lane, if it can't pay for a job of this class and cost.
    #[must_use]
    pub fn too_dear(&self, rules: &Rules, class: u8, cost: u32, now: u64) -> Option<Park> {
        let limits = &rules.limits;
        let (mut kept, mut kept_today) = (0, 0);
        if class == 2 && !rules.breaks(Mutant::BulkTakesTheReserve) {
            (kept, kept_today) = (i64::from(self.reserve(limits)), i64::from(self.daily_reserve(limits)));
        }
        let cost = i64::from(cost);
        if cost > self.day_left(limits) - kept_today {
            Some(Park::DaySpent)
        } else if class == 2 && cost > self.day_left_to_bulk(limits, now) && self.spent_in_bin(limits, now) > 0 {
            Some(Park::Paced)
        } else if cost > self.free(limits) - kept {
            Some(Park::Tokens)
        } else {
            None
        }
    }

    /// When it can run, as far as only time stops it; none while a probe runs.
    #[must_use]
    pub fn opens(&self) -> Option<u64> {
        match self.circuit {
            Circuit::Closed => Some(self.hold),
            Circuit::Open => Some(self.hold.max(self.probe_at)),
            Circuit::Probing(_) => None,
        }
    }

    /// Puts it where a claim comes upon it, or lets it be looked at when time stops it no more.
    pub(crate) fn activate(&mut self, now: u64) {
        if self.paused || self.park != Park::No || self.waiting == [0; 3] {
            return;
        }
        match self.opens() {
            None => {}
            Some(opens) if opens > now => self.wake = Some(opens),
            Some(_) => self.listed = true,
        }
    }

    /// After tokens came back or a job came: lets it try again.
    pub(crate) fn reconsider(&mut self, limits: &Limits, now: u64) {
        match self.park {
            Park::DaySpent | Park::Paced if self.day_left(limits) > 0 => self.park = Park::No,
            Park::Tokens | Park::Starved if self.free(limits) > 0 => self.park = Park::No,
            Park::Starved => self.park(Park::Tokens, limits, now),
            _ => {}
        }
        self.activate(now);
    }

    /// Parks it until something can have changed.
    pub(crate) fn park(&mut self, park: Park, limits: &Limits, now: u64) {
        let Limits { day_bin, day_bins, .. } = *limits;
        self.park = park;
        match park {
            Park::Tokens | Park::Starved => match self.cooling.first() {
                Some((at, _)) => (self.park, self.wake) = (Park::Tokens, Some(*at)),
                None => self.park = Park::Starved,
            },
            Park::DaySpent => {
                let oldest = self.day.bins.first().map_or(now / day_bin, |(bin, _)| *bin);
                let others = if self.day.others.0 > 0 { self.day.others.1 / day_bin } else { oldest };
                self.wake = Some((oldest.min(others) + day_bins) * day_bin);
            }
            Park::Paced => self.wake = Some((now / day_bin + 1) * day_bin),
            Park::No => {}
        }
    }

    /// Opens the circuit until a time, or for longer where it is open. A probe that is under way is waited for.
    pub(crate) fn break_off(&mut self, until: u64) {
        self.failures = 0;
        if self.circuit == Circuit::Closed {
            (self.circuit, self.probe_at) = (Circuit::Open, until);
        } else {
            self.probe_at = self.probe_at.max(until);
        }
    }

    /// The probe has ended without a word on how things are.
    pub(crate) fn probe_again(&mut self, at: u64) {
        (self.circuit, self.probe_at) = (Circuit::Open, self.probe_at.max(at));
    }

    /// The server refuses. Afterwards the free tokens come back in four steps, behind those that cool.
    pub(crate) fn refuse(&mut self, rules: &Rules, until: u64, now: u64) {
        let longest = if rules.breaks(Mutant::ShorterHoldReplacesTheLonger) { until } else { self.hold.max(until) };
        self.hold = longest;
        let start = self.hold.max(now).max(self.cooling.last().map_or(0, |(at, _)| *at));
        let free = |lane: &Self| u32::try_from(lane.free(&rules.limits)).unwrap_or(0);
        let quarter = free(self).div_ceil(4);
        for step in 0..4 {
            let count = quarter.min(free(self));
            self.cool(&rules.limits, count, start + step * rules.limits.interval / 4);
        }
    }
}
