//! Companies in the place of people, in the spellings that several typists give them.

use crate::culture::Culture;
use crate::random::Random;

/// Parts of domains.
pub(crate) const SLUGS: [&str; 40] = [
    "oasis-foods",
    "gulf-trading",
    "northwind",
    "sunrise-pharmacy",
    "bluewater",
    "delta-logistics",
    "al-noor-markets",
    "greenleaf",
    "harbour-supplies",
    "city-bakery",
    "falcon-motors",
    "pearl-hotels",
    "cedar-group",
    "silk-road",
    "desert-rose",
    "metro",
    "summit-builders",
    "golden-dates",
    "coastline",
    "fresh-basket",
    "star-medical",
    "palm-cafe",
    "union-stationery",
    "horizon",
    "alpha",
    "first-choice",
    "royal",
    "modern",
    "east-west",
    "prime",
    "global",
    "nile",
    "atlas",
    "vista",
    "orchid",
    "jasmine",
    "crescent",
    "mercury",
    "zenith",
    "river",
];

const FIRST: [(&str, &str); 16] = [
    ("Oasis", "الواحة"),
    ("Gulf", "الخليج"),
    ("Al Noor", "النور"),
    ("Golden", "الذهبية"),
    ("Modern", "الحديثة"),
    ("United", "المتحدة"),
    ("Royal", "الملكية"),
    ("Falcon", "الصقر"),
    ("Pearl", "اللؤلؤة"),
    ("Star", "النجمة"),
    ("Emirates", "الإمارات"),
    ("Delta", "دلتا"),
    ("Café", "مقهى"),
    ("Hôtel", "فندق"),
    ("Green", "الخضراء"),
    ("New", "الجديدة"),
];

const TRADE: [(&str, &str); 14] = [
    ("Trading", "للتجارة"),
    ("General Trading", "للتجارة العامة"),
    ("Foods", "للأغذية"),
    ("Foodstuff Trading", "لتجارة المواد الغذائية"),
    ("Supermarket", "سوبرماركت"),
    ("Pharmacy", "صيدلية"),
    ("Contracting", "للمقاولات"),
    ("Logistics", "للخدمات اللوجستية"),
    ("Electronics", "للإلكترونيات"),
    ("Bakery", "مخبز"),
    ("Textiles", "للمنسوجات"),
    ("& Sons", "وأولاده"),
    ("Group", "مجموعة"),
    ("Restaurant", "مطعم"),
];

const FORMS: [(&str, &str); 14] = [
    ("LLC", "ذ.م.م"),
    ("L.L.C", "ذ.م.م."),
    ("L.L.C.", "ذ م م"),
    ("Co.", "شركة"),
    ("Ltd.", "المحدودة"),
    ("Limited", "المحدودة"),
    ("FZE", "م.م.ح"),
    ("FZ-LLC", "م.م.ح"),
    ("GmbH", ""),
    ("GmbH & Co. KG", ""),
    ("S.A.", ""),
    ("SARL", ""),
    ("Inc.", ""),
    ("Est.", "مؤسسة"),
];

/// A company's name, after a family or after what it sells.
pub(crate) fn name(culture: &Culture, random: &mut Random) -> (String, String) {
    let (first, local_first) = if random.chance(60) {
        culture.family(random)
    } else {
        let (first, local_first) = *random.pick(&FIRST);
        (first.to_owned(), local_first.to_owned())
    };
    let (trade, local_trade) = *random.pick(&TRADE);
    let (form, local_form) = *random.pick(&FORMS);
    let name = format!("{first} {trade} {form}");
    let name = match random.below(8) {
        0 => name.to_uppercase(),
        1 => format!("{first} {trade}"),
        2 => format!("{name} - Branch {}", 1 + random.below(40)),
        _ => name,
    };
    (name, format!("{local_first} {local_trade} {local_form}").trim_end().to_owned())
}
