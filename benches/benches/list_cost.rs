//! What a list costs: DynamoDB requests, capacity units and time, against the number of contacts.
//!
//! `cargo bench -p benches --bench list_cost` fills the local engine with 1,000, 10,000 and 100,000 contacts, asks for lists of every
//! kind over HTTP, and writes the tables of `docs/performance.md` and the plot beside it. With `LIST_COST_SIZES=5000,50000` it takes
//! those sizes instead, and only prints.
//!
//! Requests and units are what the answers say in `X-DynamoDB-Requests` and `X-DynamoDB-Capacity`. For comparison it does what an API
//! does that has nothing but cursors: it follows them to the page, and on to the end for the total.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use benches::{Failure, docs, given_sizes, insert_into_docs};
use contacts::engine::{Engine, Missing, Storage};
use contacts::lifelike::Lifelike;
use contacts::seed;
use contacts::serve::{self, Running};
use plotters::prelude::*;
use reqwest::Response;
use serde_json::{Value, json};
use shared::clock;
use shared::contact::Contact;
use shared::listing::ListConfig;
use shared::timestamp::Timestamp;

const SIZES: [u64; 3] = [1_000, 10_000, 100_000];

/// The seed of the contacts, who are the same people in every run.
const SEED: u64 = 1;

/// How often a list is asked for while an instance is cold; the median counts.
const COLD_TIMES: usize = 3;

/// How often a warm list is asked for: so many times, and so many in a row. In between come the others, so that what else the
/// machine does is shared by all.
const WARM_TIMES: (usize, usize) = (5, 5);

/// Entries that a page of the table is asked for, a little more than 1 MB holds.
const CURSOR_ENTRIES: i32 = 2_500;

/// How many contacts are new when a warm instance is asked for a list.
const CHANGES: [u64; 3] = [0, 10, 10_000];

/// A little longer than the overlap of a refresh: what was written within it is read again with every list.
const OVERLAP: Duration = Duration::from_secs(6);

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let given = given_sizes("LIST_COST_SIZES")?;
    let sizes = given.clone().unwrap_or_else(|| SIZES.to_vec());
    let mut results = Vec::new();
    for size in sizes {
        results.push(measure(size).await?);
    }

    let report = report(&results)?;
    println!("{report}");
    if given.is_none() {
        insert_into_docs("list-cost", &report)?;
        plot(&docs().join("list-cost.svg"), &results)?;
    }
    Ok(())
}

/// What one list costs, or several of one kind: the most requests and units, and the median of the times.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    requests: u32,
    units: f64,
    milliseconds: f64,
}

impl Cost {
    fn of_all(costs: &[Cost]) -> Cost {
        let mut milliseconds: Vec<f64> = costs.iter().map(|cost| cost.milliseconds).collect();
        milliseconds.sort_by(f64::total_cmp);
        Cost {
            requests: costs.iter().map(|cost| cost.requests).max().unwrap_or_default(),
            units: costs.iter().map(|cost| cost.units).fold(0.0, f64::max),
            milliseconds: milliseconds.get(costs.len() / 2).copied().unwrap_or_default(),
        }
    }

    fn cell(self) -> String {
        let rounded = |number: f64, exact_below: f64| {
            if number < exact_below { format!("{number:.1}") } else { grouped(number.round() as u64) }
        };
        format!("{} · {} · {}", self.requests, rounded(self.units, 100.0), rounded(self.milliseconds, 10.0))
    }
}

/// A kind of list, at the three times of its life.
struct Measured {
    name: &'static str,
    /// By an instance that knows nothing of the tenant yet.
    cold: Cost,
    /// After a contact has changed, so that what matches is looked for anew, with none of the page's contacts in the cache.
    changed: Cost,
    /// Again, with nothing changed.
    again: Cost,
}

/// All lists of one number of contacts.
struct Size {
    contacts: u64,
    seeded: Duration,
    lists: Vec<Measured>,
    cursors: Cost,
    /// A list by a warm instance after each of [`CHANGES`].
    refreshes: Vec<Cost>,
}

async fn measure(size: u64) -> Result<Size, Failure> {
    let folder = tempfile::tempdir()?;
    let engine =
        Engine::start(Storage::Folder(folder.path().to_owned(), Missing::MakeAll), Some(([127, 0, 0, 1], 0).into())).await?;
    let endpoint = engine.endpoint().ok_or("the engine listens on a port")?;
    let begun = clock::now();
    let fill = |count| seed::Options {
        count,
        tenant: "local".to_owned(),
        namespace: "company1".to_owned(),
        seed: Some(SEED),
        data: PathBuf::new(),
        dynamodb_endpoint: Some(endpoint.clone()),
        table_prefix: String::new(),
        contacts_table: None,
    };
    let seeded = seed::run(fill(size)).await?;
    println!("{seeded}");
    let ended = clock::now();
    tokio::time::sleep(OVERLAP).await;

    let uncached = Instance::start(&endpoint, ListConfig { cache: 0, ..ListConfig::default() }).await?;
    let cached = Instance::start(&endpoint, ListConfig::default()).await?;
    let some = uncached.ask(&[("page", "3".to_owned())]).await?.1;
    let ids: Vec<&str> = some["data"].as_array().into_iter().flatten().filter_map(|contact| contact["_id"].as_str()).collect();
    let moved = ids.first().copied().ok_or("there is no contact to change")?;
    let moment = |share: i64| (begun.millis() + (ended.millis() - begun.millis()) * share / 100).to_string();

    let queries = queries(size, &ids, moment);
    let mut costs: Vec<[Vec<Cost>; 3]> = queries.iter().map(|_| Default::default()).collect();
    for _ in 0..COLD_TIMES {
        for ((_, query), [cold, ..]) in queries.iter().zip(&mut costs) {
            let fresh = Instance::start(&endpoint, ListConfig::default()).await?;
            cold.push(fresh.ask(query).await?.0);
            fresh.running.stop().await;
        }
    }
    for _ in 0..WARM_TIMES.0 {
        for ((_, query), [_, changed, _]) in queries.iter().zip(&mut costs) {
            for number in 0..WARM_TIMES.1 {
                uncached.change(moved, number).await?;
                changed.push(uncached.ask(query).await?.0);
            }
        }
    }
    for _ in 0..WARM_TIMES.0 {
        for ((_, query), [.., again]) in queries.iter().zip(&mut costs) {
            cached.ask(query).await?;
            for _ in 0..WARM_TIMES.1 {
                again.push(cached.ask(query).await?.0);
            }
        }
    }
    let measured = |(name, costs): (&'static str, &[Vec<Cost>; 3])| {
        let [cold, changed, again] = costs.each_ref().map(|costs| Cost::of_all(costs));
        Measured { name, cold, changed, again }
    };
    let lists = queries.iter().map(|(name, _)| *name).zip(&costs).map(measured).collect();
    let cursors = walk(&cached.running).await?;
    let mut refreshes = Vec::new();
    for count in CHANGES {
        let first_page = [("page", "1".to_owned())];
        cached.ask(&first_page).await?;
        if count > 0 {
            seed::run(fill(count)).await?;
        }
        refreshes.push(cached.ask(&first_page).await?.0);
        tokio::time::sleep(OVERLAP).await;
    }
    uncached.running.stop().await;
    cached.running.stop().await;
    engine.stop().await;
    Ok(Size { contacts: size, seeded: seeded.elapsed, lists, cursors, refreshes })
}

/// The lists that are asked for. `ids` are those of one page, and `moment` is when so many percent of the contacts were written.
fn queries(size: u64, ids: &[&str], moment: impl Fn(i64) -> String) -> Vec<(&'static str, Vec<(&'static str, String)>)> {
    let last = size / 25;
    let people: Vec<Contact> = Lifelike::new(SEED, size, "company1", Timestamp::from_millis(0)).take(500).collect();
    let names =
        |count: usize| json!(people.iter().rev().take(count).map(|contact| &contact.name).collect::<Vec<_>>()).to_string();
    let page = |number: u64| ("page", number.max(1).to_string());
    let search = |words: &str| ("search", words.to_owned());
    let sort = |fields: &str| ("sort", fields.to_owned());
    vec![
        ("page 1", vec![page(1)]),
        ("page in the middle", vec![page(last / 2)]),
        ("last page", vec![page(last)]),
        ("`_id`, 25 of them", vec![("_id", json!(ids).to_string())]),
        ("`name`, one", vec![("name", names(1))]),
        ("`name`, 20 of them", vec![("name", names(20))]),
        ("`search`, many match", vec![search("mohammed")]),
        ("`search`, many match, page 2", vec![search("محمد"), page(2)]),
        ("`search`, few match", vec![search("ångström")]),
        ("`search`, none matches", vec![search("quetzalcoatl")]),
        ("`from_updatedAt`, 1 %", vec![("from_updatedAt", moment(99))]),
        ("`from_updatedAt` and `to_updatedAt`, 50 %", vec![("from_updatedAt", moment(25)), ("to_updatedAt", moment(75))]),
        ("`from__id`", vec![("from__id", ids.last().copied().unwrap_or_default().to_owned())]),
        ("`sort=-updatedAt`", vec![sort("-updatedAt")]),
        ("`sort=name`", vec![sort("name")]),
        ("`sort=name`, last page", vec![sort("name"), page(last)]),
        ("`sort=title,-name`, page in the middle", vec![sort("title,-name"), page(last / 2)]),
        ("`search`, many match, `sort=-email`", vec![search("mohammed"), sort("-email")]),
    ]
}

/// An instance of every function, and a client of it.
struct Instance {
    running: Running,
    client: reqwest::Client,
}

impl Instance {
    /// A new one over the tables that are there.
    async fn start(endpoint: &str, list: ListConfig) -> Result<Instance, Failure> {
        let options = serve::Options { port: 0, dynamodb_endpoint: Some(endpoint.to_owned()), list, ..serve::Options::default() };
        Ok(Instance { running: serve::start(options).await?, client: reqwest::Client::new() })
    }

    /// Asks for a list, and returns what it cost and what it was.
    async fn ask(&self, query: &[(&str, String)]) -> Result<(Cost, Value), Failure> {
        // Connected, and with the key checked for the next minute, before the clock runs.
        self.client.get(format!("{}/client-contact/none", self.running.url)).send().await?.bytes().await?;
        let request = self.client.get(format!("{}/client-contact", self.running.url)).query(query);
        let start = Instant::now();
        let answer = request.send().await?;
        let (requests, units) = (number(&answer, "x-dynamodb-requests")?, number(&answer, "x-dynamodb-capacity")?);
        let body = answer.error_for_status()?.bytes().await?;
        let milliseconds = start.elapsed().as_secs_f64() * 1_000.0;
        Ok((Cost { requests: requests as u32, units, milliseconds }, serde_json::from_slice(&body)?))
    }

    /// Changes one contact.
    async fn change(&self, id: &str, number: usize) -> Result<(), Failure> {
        let body = json!({ "extra_info": format!("Changed {number} times.") });
        let request = self.client.put(format!("{}/client-contact/{id}", self.running.url)).json(&body);
        request.send().await?.error_for_status()?;
        Ok(())
    }
}

fn number(answer: &Response, header: &str) -> Result<f64, Failure> {
    let value = answer.headers().get(header).ok_or_else(|| format!("the answer has no {header}"))?;
    Ok(value.to_str()?.parse()?)
}

/// Follows the cursors of the table from the first contact to the last, which is what the last page takes, and the total of any.
async fn walk(running: &Running) -> Result<Cost, Failure> {
    let mut cost = Cost::default();
    let mut position = None;
    let start = Instant::now();
    loop {
        let page = running
            .client
            .query()
            .table_name(&running.contacts_table)
            .key_condition_expression("#tenant = :tenant")
            .expression_attribute_names("#tenant", "tenant")
            .expression_attribute_values(":tenant", AttributeValue::S("local".to_owned()))
            .limit(CURSOR_ENTRIES)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .set_exclusive_start_key(position)
            .send()
            .await?;
        cost.requests += 1;
        cost.units += page.consumed_capacity.and_then(|consumed| consumed.capacity_units).unwrap_or_default();
        position = page.last_evaluated_key;
        if position.is_none() {
            break;
        }
    }
    cost.milliseconds = start.elapsed().as_secs_f64() * 1_000.0;
    Ok(cost)
}

/// The tables, in Markdown.
fn report(results: &[Size]) -> Result<String, Failure> {
    let mut text = String::new();
    writeln!(text, "| contacts | cold | after a change | again | by cursors | filling took |")?;
    writeln!(text, "|---:|---:|---:|---:|---:|---:|")?;
    for Size { contacts, seeded, lists, cursors, .. } in results {
        let last = lists.iter().find(|list| list.name == "last page").ok_or("the last page was not asked for")?;
        let (contacts, seconds) = (grouped(*contacts), seeded.as_secs_f64());
        let (cold, changed, again, cursors) = (last.cold.cell(), last.changed.cell(), last.again.cell(), cursors.cell());
        writeln!(text, "| {contacts} | {cold} | {changed} | {again} | {cursors} | {seconds:.1} s |")?;
    }
    writeln!(text, "\nThe first page by a warm instance that has its contacts, when so many other contacts are new:\n")?;
    writeln!(text, "| contacts | {} |", CHANGES.map(|count| format!("{} new", grouped(count))).join(" | "))?;
    writeln!(text, "|---:|---:|---:|---:|")?;
    for Size { contacts, refreshes, .. } in results {
        let cells: Vec<String> = refreshes.iter().map(|cost| cost.cell()).collect();
        writeln!(text, "| {} | {} |", grouped(*contacts), cells.join(" | "))?;
    }
    for Size { contacts, lists, .. } in results {
        writeln!(text, "\n### {} contacts\n", grouped(*contacts))?;
        writeln!(text, "| list | cold | after a change | again |")?;
        writeln!(text, "|---|---:|---:|---:|")?;
        for Measured { name, cold, changed, again } in lists {
            writeln!(text, "| {name} | {} | {} | {} |", cold.cell(), changed.cell(), again.cell())?;
        }
    }
    Ok(text)
}

/// Legible on white and on black.
const GREY: RGBColor = RGBColor(128, 136, 145);

/// Draws the units of a list's last page against the number of contacts.
fn plot(file: &Path, results: &[Size]) -> Result<(), Failure> {
    let cost = |at: fn(&Measured) -> Cost| -> Vec<(f64, f64)> {
        let lists = results.iter().flat_map(|size| size.lists.iter().map(move |list| (size.contacts, list)));
        lists.filter(|(_, list)| list.name == "last page").map(|(contacts, list)| (contacts as f64, at(list).units)).collect()
    };
    let series = [
        ("by cursors", RGBColor(214, 84, 56), results.iter().map(|size| (size.contacts as f64, size.cursors.units)).collect()),
        ("cold", RGBColor(196, 132, 20), cost(|list| list.cold)),
        ("after a change", RGBColor(52, 136, 200), cost(|list| list.changed)),
        ("again", RGBColor(60, 150, 90), cost(|list| list.again)),
    ];

    let area = SVGBackend::new(file, (760, 420)).into_drawing_area();
    let text = |size: u32| ("sans-serif", size).into_font().color(&GREY);
    let mut chart = ChartBuilder::on(&area)
        .margin(12)
        .margin_right(140)
        .x_label_area_size(48)
        .y_label_area_size(72)
        .build_cartesian_2d((1_000.0..100_000.0_f64).log_scale(), (0.1..20_000.0_f64).log_scale())?;
    chart
        .configure_mesh()
        .x_desc("contacts of the tenant")
        .y_desc("read capacity units per list")
        .x_label_formatter(&|contacts| grouped(*contacts as u64))
        .y_label_formatter(&|units| if *units < 1.0 { units.to_string() } else { grouped(*units as u64) })
        .label_style(text(17))
        .axis_desc_style(text(18))
        .axis_style(GREY)
        .bold_line_style(GREY.mix(0.3))
        .light_line_style(TRANSPARENT)
        .draw()?;
    let mut lowest = 0;
    for (name, colour, points) in series {
        chart.draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(3)))?;
        chart.draw_series(points.iter().map(|point| Circle::new(*point, 4, colour.filled())))?;
        if let Some(end) = points.last() {
            // Each name beside the end of its line, and below the one before.
            let (x, y) = chart.backend_coord(end);
            lowest = (y - 9).max(lowest + 20);
            area.draw(&Text::new(name, (x + 12, lowest), ("sans-serif", 19).into_font().color(&colour)))?;
        }
    }
    Ok(area.present()?)
}

/// A number with a comma before each three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
