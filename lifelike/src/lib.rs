//! Made-up people and companies as an address book holds them: for demonstrations, and for measuring what size and language do.
//!
//! Names come from many cultures and scripts. A few are frequent and most are rare, with a long tail as in life: at a million
//! people there are more than 200,000 distinct words. Fields are missing as often as they are in life. Nobody here exists: the
//! domains are reserved for examples, the telephone numbers are random digits. The same seed gives the same people: there is no
//! clock and no other source of chance.

mod company;
mod culture;
mod cultures;
mod random;

use culture::Culture;
pub use random::Random;

/// How long before the end the first person was entered, in milliseconds: two years.
pub const HISTORY: i64 = 2 * 365 * 24 * 60 * 60 * 1_000;

/// A person, or a company that is entered like one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The bytes of an ObjectId: the second of `created_at`, then bytes that no other seed, number or end gives.
    pub id: [u8; 12],
    /// The name, mostly in Latin letters.
    pub name: String,
    /// The name in local letters.
    pub local_name: Option<String>,
    /// Phone number with the country's code.
    pub phone1: Option<String>,
    /// Second phone number.
    pub phone2: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// Job title.
    pub title: Option<String>,
    /// The name by which another system knows the contact.
    pub external_id: Option<String>,
    /// Whether the contact is disabled.
    pub disabled: bool,
    /// When the contact was entered, in milliseconds since 1970.
    pub created_at: i64,
    /// A number for whatever else is made up about this person.
    pub random: u64,
}

/// The people of one address book, in the order in which they were entered.
#[derive(Clone, Debug)]
pub struct People {
    seed: u64,
    count: u64,
    until: i64,
    cultures: Vec<Culture>,
    made: u64,
}

impl People {
    /// `count` people, entered one after the other in the two years before `until` (milliseconds since 1970). Another `seed` gives
    /// other people with other ids; another `until` gives other ids.
    pub fn new(seed: u64, count: u64, until: i64) -> Self {
        Self { seed, count, until, cultures: cultures::all(), made: 0 }
    }

    /// The person with this number, from 0.
    pub fn person(&self, number: u64) -> Person {
        let mut random = Random::new(Random::new(self.seed ^ number.rotate_left(32)).next());
        let created_at = self.creation(number, &mut random);
        let culture = random.weighted(&self.cultures, Culture::share);
        let (name, local_name) =
            if random.chance(6) { company::name(culture, &mut random) } else { culture.full_name(&mut random) };
        let account = account(&name, &mut random);
        let domain = domain(&mut random);
        let phone = |random: &mut Random| phone(culture.country_code(), random);
        Person {
            id: self.id(number, created_at),
            local_name: random.chance(culture.local_names()).then_some(local_name),
            phone1: random.chance(95).then(|| phone(&mut random)),
            phone2: random.chance(50).then(|| phone(&mut random)),
            email: random.chance(85).then(|| match random.below(10) {
                _ if account.is_empty() => format!("contact{}@{domain}", random.below(100_000)),
                0..4 => format!("{account}@{domain}"),
                _ => format!("{account}{}@{domain}", random.below(1_000)),
            }),
            title: random.chance(88).then(|| title(&mut random)),
            external_id: random.chance(40).then(|| external_id(number, &mut random)),
            disabled: random.chance(3),
            created_at,
            random: random.next(),
            name,
        }
    }

    /// Each person has an equal part of the two years and was entered somewhere in it.
    fn creation(&self, number: u64, random: &mut Random) -> i64 {
        let part = HISTORY as f64 / self.count as f64;
        let moment = (number as f64 + random.fraction()) * part;
        self.until + moment as i64 - HISTORY
    }

    fn id(&self, number: u64, created_at: i64) -> [u8; 12] {
        let distinct = Random::new(self.seed.rotate_left(16) ^ number ^ self.until.unsigned_abs().rotate_left(40)).next();
        let seconds = u32::try_from(created_at.max(0) / 1_000).unwrap_or(u32::MAX);
        let mut id = [0; 12];
        id[..4].copy_from_slice(&seconds.to_be_bytes());
        id[4..].copy_from_slice(&distinct.to_be_bytes());
        id
    }
}

impl Iterator for People {
    type Item = Person;

    fn next(&mut self) -> Option<Person> {
        let number = self.made;
        (number < self.count).then(|| {
            self.made += 1;
            self.person(number)
        })
    }
}

/// Most people write their number one after the other, some with spaces or dashes.
fn phone(country_code: &str, random: &mut Random) -> String {
    let (area, number) = (random.below(100), random.below(10_000_000));
    match random.below(10) {
        0 => format!("{country_code} {area:02} {:03} {:04}", number / 10_000, number % 10_000),
        1 => format!("{country_code}-{area:02}-{number:07}"),
        _ => format!("{country_code}{area:02}{number:07}"),
    }
}

/// A company's domain: a few are frequent, most have a handful of people.
fn domain(random: &mut Random) -> String {
    let company = random.zipf(40_000, 12.0);
    let first = company::SLUGS[company % company::SLUGS.len()];
    match company / company::SLUGS.len() {
        0 => format!("{first}.example"),
        rest => format!("{first}{}.example", rest + 1),
    }
}

fn title(random: &mut Random) -> String {
    let title = random.pick(&TITLES);
    match random.below(20) {
        0 => format!("{title}, {}", random.pick(&DEPARTMENTS)),
        1 => format!("Senior {title}"),
        _ => (*title).to_owned(),
    }
}

fn external_id(number: u64, random: &mut Random) -> String {
    match random.below(3) {
        0 => format!("C-{number:07}"),
        1 => format!("{}", 1_000_000 + number),
        _ => format!("{:08x}-{:04x}", random.next() >> 32, number % 65_536),
    }
}

/// The part of an e-mail address that says who it is, of a name's first and last word: the ASCII letters and digits, and the base of
/// accented letters.
fn account(name: &str, random: &mut Random) -> String {
    let ascii_word = |word: &str| word.chars().flat_map(char::to_lowercase).filter_map(ascii).collect::<String>();
    let mut words = name.split_whitespace().map(ascii_word).filter(|word| !word.is_empty());
    let (first, last) = (words.next().unwrap_or_default(), words.next_back().unwrap_or_default());
    match random.below(3) {
        _ if last.is_empty() => first,
        0 => first,
        1 => format!("{}{last}", &first[..1]),
        _ => format!("{first}.{last}"),
    }
}

const fn ascii(letter: char) -> Option<char> {
    Some(match letter {
        'a'..='z' | '0'..='9' => letter,
        'à'..='å' | 'ā' | 'ă' | 'ą' | 'ạ'..='ặ' => 'a',
        'ç' | 'ć' | 'č' => 'c',
        'ď' | 'đ' => 'd',
        'è'..='ë' | 'ē' | 'ę' | 'ě' | 'ẹ'..='ệ' => 'e',
        'ğ' => 'g',
        'ì'..='ï' | 'ī' | 'ı' | 'ỉ' | 'ị' => 'i',
        'ł' => 'l',
        'ñ' | 'ń' | 'ň' => 'n',
        'ò'..='ö' | 'ø' | 'ō' | 'ő' | 'ơ' | 'ọ'..='ợ' => 'o',
        'ř' => 'r',
        'ś' | 'ş' | 'š' | 'ș' | 'ß' => 's',
        'ț' | 'ť' => 't',
        'ù'..='ü' | 'ū' | 'ů' | 'ű' | 'ư' | 'ụ'..='ự' => 'u',
        'ý' | 'ỳ'..='ỹ' => 'y',
        'ź' | 'ż' | 'ž' => 'z',
        _ => return None,
    })
}

const TITLES: [&str; 40] = [
    "Sales Manager",
    "Owner",
    "Purchasing Manager",
    "Account Manager",
    "CEO",
    "Accountant",
    "مدير المبيعات",
    "Store Supervisor",
    "Chief Financial Officer",
    "Procurement Lead",
    "Engineer",
    "Assistant Buyer",
    "مديرة المشتريات",
    "Head of Operations",
    "Marketing Director",
    "Driver",
    "Technician",
    "Geschäftsführerin",
    "Responsable des achats",
    "Директор",
    "采购经理",
    "Gerente",
    "Pharmacist",
    "Chef",
    "sales manager",
    "محاسب",
    "Warehouse Manager",
    "HR Manager",
    "Receptionist",
    "Général Manager",
    "Operations Manager",
    "مندوب مبيعات",
    "Consultant",
    "Data Analyst",
    "विक्रय प्रबंधक",
    "Directeur commercial",
    "Бухгалтер",
    "店長",
    "MANAGER",
    "Quality Inspector",
];

const DEPARTMENTS: [&str; 10] =
    ["Retail", "Wholesale", "Foods", "Exports", "North", "South", "Logistics", "Key Accounts", "E-Commerce", "HoReCa"];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const UNTIL: i64 = 1_760_000_000_000;

    fn some(seed: u64) -> Vec<Person> {
        People::new(seed, 2_000, UNTIL).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_people_and_another_gives_others() {
        assert_eq!(some(1), some(1));
        let later = People::new(1, 2_000, UNTIL + 1);
        let ids: HashSet<_> = some(1).into_iter().chain(some(2)).chain(later).map(|person| person.id).collect();
        assert_eq!(ids.len(), 6_000);
    }

    #[test]
    fn people_are_entered_one_after_the_other_up_to_the_end() {
        let created: Vec<_> = some(1).iter().map(|person| person.created_at).collect();
        assert!(created.is_sorted());
        assert!(created[0] < UNTIL - HISTORY * 99 / 100 && created[1_999] > UNTIL - HISTORY / 100);
        assert!(created[1_999] < UNTIL);
    }

    #[test]
    fn some_share_a_name_and_most_do_not() {
        let people = some(1);
        let names: HashSet<_> = people.iter().map(|person| &person.name).collect();
        assert!((1_700..1_998).contains(&names.len()), "{}", names.len());
        let share = |has: fn(&Person) -> bool| people.iter().filter(|person| has(person)).count() / 20;
        assert!((65..95).contains(&share(|person| person.local_name.is_some())));
        assert!((45..55).contains(&share(|person| person.phone2.is_some())));
        assert!((35..45).contains(&share(|person| person.external_id.is_some())));
        assert!((1..6).contains(&share(|person| person.disabled)));
        assert!((60..95).contains(&share(|person| !person.local_name.as_deref().unwrap_or_default().is_ascii())));
    }

    #[test]
    fn words_have_a_long_tail() {
        let mut words = HashSet::new();
        let mut half = 0;
        for (number, person) in People::new(1, 100_000, UNTIL).enumerate() {
            let texts = [Some(person.name), person.local_name];
            words.extend(texts.iter().flatten().flat_map(|text| text.split_whitespace()).map(str::to_lowercase));
            if number == 49_999 {
                half = words.len();
            }
        }
        // More people go on bringing new words, and many of them.
        assert!(words.len() > 50_000, "{}", words.len());
        assert!(words.len() > half * 4 / 3, "{half} {}", words.len());
    }

    #[test]
    fn e_mail_addresses_are_ascii_and_of_an_example_domain() {
        for person in some(3) {
            let Some(email) = person.email else { continue };
            assert!(
                email.is_ascii() && email.ends_with(".example") && !email.starts_with('@') && !email.contains(".@"),
                "{email}"
            );
            assert!(!email.contains(".."), "{email}");
        }
    }
}
