//! Never over the limit (law 2), as a property: whatever the latencies, time-outs, crashes, stopped workers, refusals, other clients and
//! losses of state, no server that counts exactly sees more than the limit. And the price of it: how much of the quota is used.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::simulated::{Ground, always, properties, simulate};
use crate::limit::{Breaker, Claiming, Limit};

mod server;
mod world;

use server::{Counting, Server};
use world::{Odds, World};

properties! {
    no_server_sees_more_than_the_limit: 300, 40;
    a_burst_and_a_day_are_kept_together: 40, 4;
    nearly_all_of_the_quota_is_used: 1, 1;
}

fn no_server_sees_more_than_the_limit(ground: &Ground, cases: u32) {
    let limits = (1..=12_u16, 3..=400_u64, 1..=200_u64, 4..=300_u64, 0..=3_u16);
    let odds = (0..=10_u32, 0..=10_u32, 0..=20_u32, 0..=5_u32, 0..=30_u32, 0..=100_u64);
    let losses = prop::collection::vec(0..=100_u32, 0..=2);
    always(cases, &(any::<u64>(), limits, odds, losses), |(seed, limits, odds, losses)| {
        let (burst, interval, timeout, lease, reserve) = limits;
        let ms = Duration::from_millis;
        let reserve = reserve.min(burst - 1);
        let limit = Limit { burst, interval: ms(interval), call_timeout: ms(timeout), reserve, daily: u32::MAX };
        let (crashes, stops, time_outs, refusals, others, latency) = odds;
        let latency = limit.call_timeout.mul_f64(latency as f64 / 100.0);
        let odds = Odds { crashes, stops, time_outs, refusals, others, latency: Duration::ZERO..=latency };
        let time = limit.interval * 10 + (limit.interval + limit.call_timeout + ms(lease)) * 3;
        let losses = losses.iter().map(|percent| time * *percent / 100).collect();
        simulate(async {
            let mut world = World::new(ground, seed, limit, claiming(ms(lease)), odds).await;
            world.run(60, time, losses).await?;
            check(&limit, &world.arrivals)?;
            prop_assert!(others > 0 || world.refused == 0, "the server refused {} calls", world.refused);
            Ok(())
        })
    });
}

fn a_burst_and_a_day_are_kept_together(ground: &Ground, cases: u32) {
    let day = Duration::from_secs(24 * 3600);
    always(cases, &(any::<u64>(), 2..=8_u16, 10..=60_u32, 0..=10_u32), |(seed, burst, daily, crashes)| {
        let second = Duration::from_secs(1);
        let limit = Limit { burst, interval: second * 10, call_timeout: second * 5, reserve: 1, daily };
        let odds = Odds { crashes, stops: 3, time_outs: 5, ..Odds::none(second) };
        simulate(async {
            let mut world = World::new(ground, seed, limit, claiming(second * 12), odds).await;
            world.run(90, day * 3, Vec::new()).await?;
            check(&limit, &world.arrivals)?;
            check(&Limit { burst: u16::try_from(daily).unwrap_or(u16::MAX), interval: day, ..limit }, &world.arrivals)?;
            prop_assert!(world.arrivals.len() > daily as usize, "the second day saw calls too");
            Ok(())
        })
    });
}

fn nearly_all_of_the_quota_is_used(ground: &Ground, _: u32) {
    let interval = Duration::from_secs(10);
    let limit = Limit { burst: 100, interval, call_timeout: interval * 3, reserve: 2, daily: u32::MAX };
    for (latency, least) in [(50, 0.99), (250, 0.97)] {
        let latency = Duration::from_millis(latency);
        for spread in [Duration::ZERO, latency / 2] {
            let odds = Odds { latency: latency - spread..=latency + spread, ..Odds::none(latency) };
            let usage = simulate(async {
                let mut world = World::new(ground, 7, limit, claiming(interval), odds).await;
                world.run(400, interval * 12, Vec::new()).await.unwrap();
                check(&limit, &world.arrivals).unwrap();
                // From the first call to the one that a perfect limiter would send ten intervals later.
                let (first, last) = (world.arrivals[0], world.arrivals[usize::from(limit.burst) * 10]);
                (interval * 10).as_secs_f64() / (last - first).as_secs_f64()
            });
            eprintln!("{usage:.4} of the quota is used at {latency:?} ± {spread:?}");
            assert!(usage >= least, "{usage:.4} of the quota is used at {latency:?} ± {spread:?}");
        }
    }
}

fn claiming(lease: Duration) -> Claiming {
    let breaker = Breaker { failures: 255, probe_after: Duration::from_secs(1) };
    Claiming { lease, turn: 4, batch: 32, breaker }
}

/// Every window, wherever it begins; windows that stand side by side, for several beginnings; a bucket that is refilled steadily.
fn check(limit: &Limit, arrivals: &[Duration]) -> Result<(), TestCaseError> {
    let burst = usize::from(limit.burst);
    for window in arrivals.windows(burst + 1) {
        let span = window[burst] - window[0];
        prop_assert!(span >= limit.interval, "{} arrivals within {span:?}, the first at {:?}", burst + 1, window[0]);
    }
    let fixed = (0..7).map(|seventh| Counting::Fixed { begins: limit.interval * seventh / 7 });
    for counting in fixed.chain([Counting::Sliding, Counting::Bucket]) {
        let mut server = Server::new(counting, limit);
        for at in arrivals {
            prop_assert!(!server.arrives(*at).refused, "{counting:?} refuses the arrival at {at:?}");
        }
    }
    Ok(())
}
