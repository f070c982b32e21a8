//! What lists of a fleet cost in a day, with snapshots and without: a calculation, whose output is in `docs/performance.md`.
//!
//! It draws tenants, instances and calls at random, from a fixed seed, and keeps for each instance which tenants it has in memory. What one list
//! costs is measured elsewhere; the constants say where.

use std::collections::HashMap;

/// Tenants, and contacts of the largest.
const TENANTS: usize = 10_000;
const LARGEST: f64 = 2_000_000.0;
const MEDIAN: f64 = 1_500.0;

/// Lists of a day, and instances at its busiest hour.
const LISTS: u64 = 5_000_000;
const INSTANCES: usize = 1_000;

/// Deployments of a day, each of which replaces all instances, and the life of an instance without one, in seconds.
const DEPLOYMENTS: u64 = 4;
const LIFE: f64 = 2.0 * 3_600.0;

/// Contacts for which an instance of 1,769 MB has memory, at 220 bytes each.
const MEMORY: u64 = 884_000_000 / 220;

/// Changes of a day as a share of a tenant's contacts.
const CHANGED: f64 = 0.05;

// `docs/performance.md`: what a list costs, and the first list of a process.
const WARM_UNITS: f64 = 7.0;
const WARM_REQUESTS: f64 = 1.5;
const WARM_SECONDS: f64 = 0.008;
const LOG_UNITS: f64 = 0.0295;
const LOG_PAGE: f64 = 3_700.0;
const SNAPSHOT_BYTES: f64 = 45.0;
const SNAPSHOT_SECONDS: f64 = 1.6e-6;
const SNAPSHOT_LEAST: u64 = 7_000;

/// Units a second that one partition gives, and the seconds that a list has.
const PARTITION: f64 = 3_000.0;
const GATEWAY: f64 = 30.0;

// us-east-1, in dollars: units read and written, requests of S3, a second of an instance of 1,769 MB and of 3,008 MB (arm64).
const UNIT_READ: f64 = 0.125e-6;
const UNIT_WRITTEN: f64 = 0.625e-6;
const S3_READ: f64 = 0.4e-6;
const S3_WRITTEN: f64 = 5e-6;
const INSTANCE: f64 = 1.769 / 1.024 * 0.000_013_333_4;
const WRITER: f64 = 3.008 / 1.024 * 0.000_013_333_4;

/// The sums of a day.
#[derive(Default)]
struct Day {
    units: f64,
    requests: f64,
    s3_reads: f64,
    dollars: f64,
    cold: u64,
    /// Seconds of each cold list.
    cold_seconds: Vec<f64>,
}

struct Instance {
    born: f64,
    /// When each tenant was used last; the sum of their contacts.
    tenants: HashMap<usize, u64>,
    contacts: u64,
}

fn main() {
    let mut random = fastrand::Rng::with_seed(11);
    let sizes: Vec<u64> = (0..TENANTS).map(|_| size(&mut random)).collect();
    // Larger tenants ask more often, by the square root of their size.
    let mut weights: Vec<f64> = sizes.iter().map(|size| (*size as f64).sqrt()).collect();
    for tenant in 1..TENANTS {
        weights[tenant] += weights[tenant - 1];
    }
    let contacts: u64 = sizes.iter().sum();
    println!("{TENANTS} tenants with {contacts} contacts, {LISTS} lists, {INSTANCES} instances, {DEPLOYMENTS} deployments\n");
    println!("| | without snapshots | with snapshots |\n|---|---:|---:|");
    let days = [false, true].map(|snapshots| day(&sizes, &weights, snapshots, &mut random.clone()));
    let row = |name: &str, of: &dyn Fn(&Day) -> String| println!("| {name} | {} | {} |", of(&days[0]), of(&days[1]));
    row("DynamoDB requests, millions", &|day| format!("{:.1}", day.requests / 1e6));
    row("DynamoDB read units, millions", &|day| format!("{:.0}", day.units / 1e6));
    row("S3 reads, millions", &|day| format!("{:.2}", day.s3_reads / 1e6));
    row("dollars a day", &|day| format!("{:.2}", day.dollars));
    row("share of cold lists", &|day| format!("{:.1} %", 100.0 * day.cold as f64 / LISTS as f64));
    row("cold lists, median", &|day| seconds(&day.cold_seconds, 0.5));
    row("cold lists, p99", &|day| seconds(&day.cold_seconds, 0.99));
    row("all lists, p99", &|day| {
        // Warm lists are all quicker.
        let share = 0.99 - (1.0 - day.cold as f64 / LISTS as f64);
        seconds(&day.cold_seconds, (share * LISTS as f64 / day.cold as f64).max(0.0))
    });
    row("lists that a time-out ends", &|day| day.cold_seconds.iter().filter(|seconds| **seconds > GATEWAY).count().to_string());
}

/// A lognormal size with a long tail.
fn size(random: &mut fastrand::Rng) -> u64 {
    let normal = (-2.0 * random.f64().max(1e-12).ln()).sqrt() * (std::f64::consts::TAU * random.f64()).cos();
    (MEDIAN * (1.9 * normal).exp()).clamp(1.0, LARGEST) as u64
}

fn day(sizes: &[u64], weights: &[f64], snapshots: bool, random: &mut fastrand::Rng) -> Day {
    let mut day = Day::default();
    let mut instances: Vec<Instance> = Vec::new();
    let total = weights.last().copied().unwrap_or_default();
    for number in 0..LISTS {
        let now = 86_400.0 * number as f64 / LISTS as f64;
        // Between 20 and 100 % of the instances are there, as the day goes.
        let busy = 0.6 - 0.4 * (std::f64::consts::TAU * now / 86_400.0).cos();
        let count = ((INSTANCES as f64 * busy) as usize).max(1);
        let deployed = (now / 86_400.0 * DEPLOYMENTS as f64).floor() * 86_400.0 / DEPLOYMENTS as f64;
        instances.truncate(count);
        while instances.len() < count {
            instances.push(Instance { born: now, tenants: HashMap::new(), contacts: 0 });
        }
        let instance = &mut instances[random.usize(..count)];
        if instance.born < deployed || now > instance.born + LIFE * (0.5 + (number % 97) as f64 / 97.0) {
            *instance = Instance { born: now, tenants: HashMap::new(), contacts: 0 };
        }
        let tenant = weights.partition_point(|weight| *weight < random.f64() * total).min(sizes.len() - 1);
        let size = sizes[tenant];
        let is_warm = instance.tenants.insert(tenant, number).is_some();
        if is_warm {
            add(&mut day, WARM_UNITS, WARM_REQUESTS, 0.0, WARM_SECONDS);
            continue;
        }
        instance.contacts += size;
        while instance.contacts > MEMORY && instance.tenants.len() > 1 {
            let oldest = instance.tenants.iter().filter(|(other, _)| **other != tenant).min_by_key(|(_, used)| **used);
            let Some(oldest) = oldest.map(|(oldest, _)| *oldest) else { break };
            instance.tenants.remove(&oldest);
            instance.contacts -= sizes[oldest];
        }
        let contacts = size as f64;
        let from_log = |contacts: f64| {
            let units = contacts * LOG_UNITS;
            (units, 1.0 + contacts / LOG_PAGE, (units / PARTITION).max(contacts * 14.8e-6))
        };
        let (units, requests, s3, seconds) = if snapshots && size >= SNAPSHOT_LEAST {
            // On average a snapshot lacks half of the changes that lead to the next one.
            let since = (contacts * CHANGED / 2.0).min(1_000_f64.max(contacts / 10.0) / 2.0);
            let (units, requests, seconds) = from_log(since);
            let parts = 1.0 + (contacts * SNAPSHOT_BYTES / 2e6).floor();
            (units + 0.5, requests + 1.0, parts, 0.06 + contacts * SNAPSHOT_SECONDS + seconds)
        } else {
            let (units, requests, seconds) = from_log(contacts);
            (units, requests, 0.0, 0.01 + seconds)
        };
        day.cold += 1;
        day.cold_seconds.push(seconds);
        add(&mut day, units + WARM_UNITS, requests + 2.0, s3, seconds);
    }
    if snapshots {
        sizes.iter().for_each(|size| keep_snapshot(&mut day, *size));
    }
    day.cold_seconds.sort_by(f64::total_cmp);
    day
}

fn add(day: &mut Day, units: f64, requests: f64, s3: f64, seconds: f64) {
    day.units += units;
    day.requests += requests;
    day.s3_reads += s3;
    day.dollars += units * UNIT_READ + s3 * S3_READ + seconds * INSTANCE;
}

/// What a tenant's snapshot costs in a day.
fn keep_snapshot(day: &mut Day, size: u64) {
    let changes = size as f64 * CHANGED;
    // A unit to count the changes of each batch, in at most 288 windows of five minutes.
    day.dollars += changes.min(288.0) * UNIT_WRITTEN;
    if size < SNAPSHOT_LEAST {
        return;
    }
    let contacts = size as f64;
    let builds = (changes / 1_000_f64.max(contacts / 10.0)).max(24.0 / 20.0);
    let parts = 1.0 + (contacts * SNAPSHOT_BYTES / 2e6).floor();
    // Once a week from the whole log; the schedule's look each hour.
    let units = (changes + builds * contacts / 7.0) * LOG_UNITS + 24.0 * 0.5;
    day.units += units;
    day.requests += 24.0 + builds * 4.0 + changes / LOG_PAGE;
    day.s3_reads += builds * parts;
    let seconds = builds * (0.5 + contacts * 4e-6);
    day.dollars += units * UNIT_READ + builds * (parts * S3_READ + S3_WRITTEN + 3.0 * UNIT_WRITTEN) + seconds * WRITER;
}

fn seconds(sorted: &[f64], share: f64) -> String {
    let place = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(place).map_or_else(String::new, |seconds| format!("{seconds:.2} s"))
}
