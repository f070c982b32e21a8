//! Contacts as a company's address book holds them, made up: for demonstrations, and for measuring what size and language do.
//!
//! Names come from many languages and scripts, some people share theirs and most do not, and fields are missing as often as
//! they are in life. No contact is anybody's: the domains of the addresses are reserved for examples, the telephone numbers are
//! random digits. The same numbers make the same contacts: there is no clock and no other chance in it.

use std::collections::BTreeMap;

use index::fold::fold;
use serde_json::value::to_raw_value;
use shared::contact::{Contact, JsonObject, User, UserType};
use shared::object_id::ObjectId;
use shared::timestamp::Timestamp;

/// How long ago the first contact was created, in milliseconds: two years.
const HISTORY: i64 = 2 * 365 * 24 * 60 * 60 * 1_000;

/// The contacts of a company, in the order in which they were created.
#[derive(Clone, Debug)]
pub struct Lifelike {
    seed: u64,
    namespace: String,
    count: u64,
    until: Timestamp,
    people: Vec<People>,
    made: u64,
}

impl Lifelike {
    /// `count` contacts in `namespace`, created one after the other in the two years before `until` and not changed since. Another
    /// `seed` makes other people, and other ids; so does another `until`.
    pub fn new(seed: u64, count: u64, namespace: &str, until: Timestamp) -> Lifelike {
        Lifelike {
            seed,
            namespace: namespace.to_owned(),
            count,
            until,
            people: CULTURES.iter().map(People::of).collect(),
            made: 0,
        }
    }

    fn contact(&self, number: u64) -> Contact {
        let mut random = Random(Random(self.seed ^ number.rotate_left(32)).next());
        let created_at = self.creation(number, &mut random);
        let people = random.weighted(&self.people, |people| people.culture.share);
        let culture = people.culture;
        let (name, local_name) = people.name(&mut random);
        let account = account(&name);
        let company = (*random.pick(&COMPANIES)).to_owned();
        let phone = |random: &mut Random| format!("{}{:09}", culture.country_code, random.below(1_000_000_000));
        Contact {
            id: self.id(number, created_at),
            creator: creator(random.pick(&CREATORS)),
            editor: None,
            local_name: random.chance(culture.local_names).then_some(local_name),
            phone1: random.chance(95).then(|| phone(&mut random)),
            phone2: random.chance(50).then(|| phone(&mut random)),
            email: random.chance(85).then(|| match random.below(10) {
                0..4 => format!("{account}@{company}.example"),
                _ => format!("{account}{}@{company}.example", random.below(1_000)),
            }),
            title: random.chance(88).then(|| (*random.pick(&TITLES)).to_owned()),
            extra_info: random.chance(20).then(|| extra_info(&mut random)),
            disabled: random.chance(3),
            media: random
                .chance(4)
                .then(|| (0..=random.below(3)).map(|_| format!("https://media.example/{:016x}.jpg", random.next())).collect()),
            cover_photo: random.chance(3).then(|| format!("https://media.example/covers/{:016x}.jpg", random.next())),
            integration_meta: random.chance(25).then(|| integration_meta(&mut random)).flatten(),
            company_namespace: vec![self.namespace.clone()],
            created_at,
            updated_at: created_at,
            version: 0,
            name,
        }
    }

    /// Each contact has its share of the two years and was created somewhere in it.
    fn creation(&self, number: u64, random: &mut Random) -> Timestamp {
        let share = HISTORY as f64 / self.count as f64;
        let moment = (number as f64 + random.fraction()) * share;
        self.until.plus_millis(moment as i64 - HISTORY)
    }

    /// Its second, then as good as random: what is seeded later never has an id that is there already.
    fn id(&self, number: u64, created_at: Timestamp) -> ObjectId {
        let distinct = Random(self.seed.rotate_left(16) ^ number ^ self.until.millis().unsigned_abs().rotate_left(40)).next();
        let mut bytes = [0; 12];
        bytes[..4].copy_from_slice(&created_at.unix_seconds().to_be_bytes());
        bytes[4..].copy_from_slice(&distinct.to_be_bytes());
        ObjectId::from_bytes(bytes)
    }
}

impl Iterator for Lifelike {
    type Item = Contact;

    fn next(&mut self) -> Option<Contact> {
        let number = self.made;
        (number < self.count).then(|| {
            self.made += 1;
            self.contact(number)
        })
    }
}

/// A user who enters contacts.
fn creator(&(id, username, name, kind): &(&str, &str, &str, UserType)) -> User {
    User { id: id.to_owned(), username: Some(username.to_owned()), name: Some(name.to_owned()), kind, others: BTreeMap::new() }
}

/// The part of an e-mail address that says who it is.
fn account(name: &str) -> String {
    let words: Vec<String> =
        fold(name).split_whitespace().map(|word| word.chars().filter(char::is_ascii_alphanumeric).collect()).collect();
    words.join(".")
}

fn extra_info(random: &mut Random) -> String {
    let sentences = 1 + random.below(3);
    (0..sentences).map(|_| *random.pick(&REMARKS)).collect::<Vec<_>>().join(" ")
}

fn integration_meta(random: &mut Random) -> Option<JsonObject> {
    let code = random.below(1_000_000);
    let meta = match random.below(3) {
        0 => serde_json::json!({ "erp": { "code": format!("C-{code:06}"), "synced": random.chance(90) } }),
        1 => serde_json::json!({ "crm_id": code, "source": "import", "score": random.below(1_000) as f64 / 10.0 }),
        _ => serde_json::json!({ "route": { "code": format!("R{code}"), "day": random.below(7), "stop": random.below(40) } }),
    };
    JsonObject::parse(&to_raw_value(&meta).ok()?).ok()
}

/// Splitmix64. Source: <https://doi.org/10.1145/2714064.2660195>.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// From 0 to just below 1.
    fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of them, the first ones more often, as with names.
    fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        let bound = choices.len() as u64;
        &choices[(self.below(bound) * self.below(bound) / bound) as usize]
    }

    /// One of them, each by its share.
    fn weighted<'a, T>(&mut self, choices: &'a [T], share: impl Fn(&T) -> u64) -> &'a T {
        let mut left = self.below(choices.iter().map(&share).sum());
        for choice in choices {
            match left.checked_sub(share(choice)) {
                Some(rest) => left = rest,
                None => return choice,
            }
        }
        &choices[0]
    }
}

/// A name in Latin letters, and as it is written at home or where the company is.
type Name = (&'static str, &'static str);

/// People who are named in one way.
#[derive(Debug)]
struct Culture {
    /// How many they are, against the others.
    share: u64,
    country_code: &'static str,
    /// Names separated by commas, the most frequent first, with the local form after `=` where it is another.
    given: &'static str,
    families: &'static str,
    middle: Middle,
    /// How many of a hundred have a local name.
    local_names: u64,
    /// Whether the local name is written without spaces, the family's first.
    joined: bool,
}

/// What can stand between the given name and the family's.
#[derive(Clone, Copy, Debug)]
enum Middle {
    /// Nothing.
    Nothing,
    /// Another given name: a second one, or the father's.
    Given,
    /// The family name of the father, before that of the mother.
    Family,
    /// A second syllable of the given name.
    Syllable,
}

/// A culture with its names taken apart.
#[derive(Clone, Debug)]
struct People {
    culture: &'static Culture,
    given: Vec<Name>,
    families: Vec<Name>,
}

impl People {
    fn of(culture: &'static Culture) -> People {
        let names = |text: &'static str| text.split(", ").map(|name| name.split_once('=').unwrap_or((name, name))).collect();
        People { culture, given: names(culture.given), families: names(culture.families) }
    }

    /// A name in Latin letters, and the local one.
    fn name(&self, random: &mut Random) -> (String, String) {
        let (given, local_given) = *random.pick(&self.given);
        let (family, local_family) = *random.pick(&self.families);
        let further = random.chance(60);
        let between = match self.culture.middle {
            Middle::Given if further => Some(*random.pick(&self.given)),
            Middle::Family if further => Some(*random.pick(&self.families)),
            Middle::Syllable if further => {
                let (second, local_second) = *random.pick(&self.given);
                let name = format!("{given}{} {family}", second.to_lowercase());
                return (name, format!("{local_family}{local_given}{local_second}"));
            }
            _ => None,
        };
        match between {
            Some((middle, local_middle)) => {
                (format!("{given} {middle} {family}"), format!("{local_given} {local_middle} {local_family}"))
            }
            None if self.culture.joined => (format!("{given} {family}"), format!("{local_family}{local_given}")),
            None => (format!("{given} {family}"), format!("{local_given} {local_family}")),
        }
    }
}

const CULTURES: [Culture; 15] = [
    Culture {
        share: 28,
        country_code: "+971",
        given: "Mohammed=محمد, Ahmed=أحمد, Fatima=فاطمة, Ali=علي, Mariam=مَرْيَم, Omar=عمر, Khalid=خالد, Sara=سارة, \
            Abdullah=عبد الله, Aisha=عائشة, Hassan=حسن, Layla=ليلى, Youssef=يوسف, Noor=نور, Zainab=زينب, Ibrahim=إبراهيم, \
            Karim=كريم, Salma=سلمى, Tariq=طارق, Huda=هدى, Bilal=بلال, Samir=سمير, Rania=رانيا, Hussein=حسين, Nadia=نادية, \
            Majid=ماجد, Dalal=دلال, Walid=وليد",
        families: "Al-Mansoori=المنصوري, Al-Farsi=الفارسي, Haddad=حداد, Khoury=خوري, Al-Sayed=السيد, Mahmoud=محمود, Saleh=صالح, \
            Nasser=ناصر, Al-Harbi=الحربي, Al-Otaibi=العتيبي, Darwish=درويش, Mansour=منصور, Al-Qahtani=القحطاني, \
            Abdelrahman=عبد الرحمن, Ben Ali=بن علي, El Amrani=العمراني, Zidan=زيدان, Al-Hashimi=الهاشمي, Sabbagh=صباغ, \
            Najjar=نجار, Al-Shehhi=الشحي, Boutros=بطرس, Al-Balushi=البلوشي, Al-Zaabi=الزعابي, Al-Suwaidi=السويدي, \
            Shaheen=شاهين, Al-Ketbi=الكتبي, Hamdan=حمدان",
        middle: Middle::Given,
        local_names: 97,
        joined: false,
    },
    Culture {
        share: 12,
        country_code: "+1",
        given: "John=جون, Mary=ماري, James=جيمس, Emma=إيما, David=ديفيد, Sarah=سارة, Michael=مايكل, Olivia=أوليفيا, \
            Robert=روبرت, Grace=غريس, Daniel=دانيال, Anna=آنا, Thomas=توماس, Emily=إميلي, William=ويليام, Lucy=لوسي, \
            George=جورج, Kate=كيت, Peter=بيتر, Rose=روز, Seán=شون, Zoë=زوي, Siobhán=شيفون, Harry=هاري",
        families: "Smith=سميث, Jones=جونز, Brown=براون, Taylor=تايلور, Wilson=ويلسون, Miller=ميلر, Johnson=جونسون, Walker=ووكر, \
            White=وايت, Green=غرين, Hall=هول, O'Brien=أوبراين, Clarke=كلارك, Lewis=لويس, Scott=سكوت, Young=يونغ, King=كينغ, \
            Baker=بيكر, Hill=هيل, O'Neill=أونيل, MacDonald=ماكدونالد, Turner=تيرنر, Cooper=كوبر, Brontë=برونتي",
        middle: Middle::Given,
        local_names: 60,
        joined: false,
    },
    Culture {
        share: 12,
        country_code: "+91",
        given: "Priya=प्रिया, Rahul=राहुल, Amit=अमित, Anjali=अंजलि, Sanjay=संजय, Sunita=सुनीता, Vijay=विजय, Pooja=पूजा, \
            Rajesh=राजेश, Neha=नेहा, Arjun=अर्जुन, Kavita=कविता, Deepak=दीपक, Lakshmi=लक्ष्मी, Suresh=सुरेश, Meera=मीरा, \
            Ravi=रवि, Asha=आशा, Anil=अनिल, Divya=दिव्या, Kiran=किरण, Manoj=मनोज, Rekha=रेखा, Vikram=विक्रम",
        families: "Sharma=शर्मा, Singh=सिंह, Kumar=कुमार, Patel=पटेल, Gupta=गुप्ता, Verma=वर्मा, Mehta=मेहता, Joshi=जोशी, \
            Mishra=मिश्रा, Yadav=यादव, Reddy=रेड्डी, Nair=नायर, Iyer=अय्यर, Desai=देसाई, Agarwal=अग्रवाल, Chauhan=चौहान, \
            Malhotra=मल्होत्रा, Pandey=पांडे, Rao=राव, Saxena=सक्सेना, Tiwari=तिवारी, Bhatt=भट्ट, Kapoor=कपूर, \
            Chopra=चोपड़ा",
        middle: Middle::Given,
        local_names: 70,
        joined: false,
    },
    Culture {
        share: 8,
        country_code: "+7",
        given: "Alexander=Александр, Elena=Елена, Dmitri=Дмитрий, Anna=Анна, Sergei=Сергей, Olga=Ольга, Ivan=Иван, \
            Natalia=Наталья, Alexei=Алексей, Tatiana=Татьяна, Andrei=Андрей, Irina=Ирина, Mikhail=Михаил, \
            Ekaterina=Екатерина, Nikolai=Николай, Svetlana=Светлана, Vladimir=Владимир, Maria=Мария, Yuri=Юрий, \
            Ksenia=Ксения, Fyodor=Фёдор, Yulia=Юлия, Oleksandr=Олександр, Andriy=Андрій",
        families: "Kuznetsov=Кузнецов, Popov=Попов, Sokolov=Соколов, Shevchenko=Шевченко, Kovalenko=Коваленко, Morozov=Морозов, \
            Lebedev=Лебедев, Volkov=Волков, Bondarenko=Бондаренко, Novikov=Новиков, Kozlov=Козлов, Tkachenko=Ткаченко, \
            Pavlov=Павлов, Petrenko=Петренко, Fedorov=Фёдоров, Melnik=Мельник, Zaytsev=Зайцев, Solovyov=Соловьёв, \
            Dyachenko=Дьяченко, Voronenko=Вороненко, Belov=Белов, Romanenko=Романенко, Yakovlev=Яковлев, \
            Kravchenko=Кравченко",
        middle: Middle::Nothing,
        local_names: 95,
        joined: false,
    },
    Culture {
        share: 7,
        country_code: "+86",
        given: "Wei=伟, Min=敏, Jing=静, Li=丽, Qiang=强, Lei=磊, Yan=艳, Jun=军, Yang=洋, Yong=勇, Jie=杰, Juan=娟, Tao=涛, Ming=明, Chao=超, \
            Xiu=秀, Xia=霞, Ping=平, Gang=刚, Hua=华, Yu=雨, Xin=欣, Bo=博, Hao=浩",
        families: "Wang=王, Li=李, Zhang=张, Liu=刘, Chen=陈, Yang=杨, Huang=黄, Zhao=赵, Wu=吴, Zhou=周, Xu=徐, Sun=孙, Ma=马, Zhu=朱, Hu=胡, \
            Guo=郭, He=何, Lin=林, Gao=高, Luo=罗, Zheng=郑, Liang=梁, Xie=谢, Ouyang=欧阳",
        middle: Middle::Syllable,
        local_names: 95,
        joined: true,
    },
    Culture {
        share: 7,
        country_code: "+34",
        given: "María, José, Carmen, Antonio, Ana, Manuel, Lucía, Francisco, Sofía, Juan, Paula, Javier, Elena, Jesús, Inês, \
            João, Conceição, Andrés, Belén, Ángel, Raúl, Íñigo, Mónica, Sebastián",
        families: "García, Rodríguez, González, Fernández, López, Martínez, Sánchez, Pérez, Gómez, Martín, Jiménez, Hernández, \
            Díaz, Muñoz, Álvarez, Romero, Gutiérrez, Núñez, Ibáñez, Peña, da Silva, Gonçalves, Araújo, Guimarães",
        middle: Middle::Family,
        local_names: 40,
        joined: false,
    },
    Culture {
        share: 5,
        country_code: "+33",
        given: "Marie, Jean, François, Chloé, Pierre, Léa, Michel, Camille, Zoé, André, Hélène, Luc, Élodie, Mathieu, Inès, \
            Rémi, Agnès, Noël, Anaïs, Étienne, Gaël, Aurélie, Benoît, Maëlys",
        families: "Martin, Bernard, Dubois, Lefèvre, Moreau, Laurent, Girard, Bonnet, Lambert, François, Fournier, Mercier, \
            Guérin, Chevalier, Gauthier, Perrot, Lévêque, Rémy, Barthélemy, Châtelain, Béranger, d'Aubigné, Le Goff, \
            Desprès",
        middle: Middle::Given,
        local_names: 40,
        joined: false,
    },
    Culture {
        share: 4,
        country_code: "+49",
        given: "Anna, Jürgen, Ursula, Thomas, Björn, Sabine, Jörg, Käthe, Stefan, Günther, Monika, Søren, Åsa, Lars, Ingrid, \
            Sören, Heike, Matthias, Zoë, Änne, Klaus, Uwe, Petra, Björk",
        families: "Müller, Schmidt, Schneider, Fischer, Weber, Meyer, Wagner, Becker, Schulz, Hoffmann, Schäfer, Koch, Groß, \
            Krüger, Jäger, Köhler, Weiß, Öztürk, Strauß, Løvgren, Ångström, Jørgensen, von der Heide, Lindqvist",
        middle: Middle::Given,
        local_names: 40,
        joined: false,
    },
    Culture {
        share: 4,
        country_code: "+30",
        given: "Giorgos=Γιώργος, Maria=Μαρία, Dimitris=Δημήτρης, Eleni=Ελένη, Nikos=Νίκος, Katerina=Κατερίνα, Yannis=Γιάννης, \
            Sofia=Σοφία, Kostas=Κώστας, Vasiliki=Βασιλική, Christos=Χρήστος, Anna=Άννα, Panagiotis=Παναγιώτης, \
            Dimitra=Δήμητρα, Vasilis=Βασίλης, Ioanna=Ιωάννα, Thanasis=Θανάσης, Zoe=Ζωή, Stavros=Σταύρος, Despina=Δέσποινα",
        families: "Papadopoulos=Παπαδόπουλος, Georgiou=Γεωργίου, Ioannou=Ιωάννου, Pappas=Παππάς, Nikolaidis=Νικολαΐδης, \
            Vlachos=Βλάχος, Angelopoulos=Αγγελόπουλος, Makris=Μακρής, Dimitriou=Δημητρίου, Christodoulou=Χριστοδούλου, \
            Economou=Οικονόμου, Samaras=Σαμαράς, Antoniou=Αντωνίου, Karagiannis=Καραγιάννης, Alexiou=Αλεξίου, \
            Konstantinou=Κωνσταντίνου, Stefanidis=Στεφανίδης, Theodorou=Θεοδώρου, Zervas=Ζέρβας, Petrou=Πέτρου",
        middle: Middle::Nothing,
        local_names: 95,
        joined: false,
    },
    Culture {
        share: 4,
        country_code: "+81",
        given: "Yuki=ゆき, Haruto=陽翔, Sakura=さくら, Hiroshi=浩, Yui=結衣, Takashi=隆, Aoi=葵, Kenji=健二, Hina=陽菜, Satoshi=聡, Rin=凛, \
            Daisuke=大輔, Akiko=明子, Kaito=海斗, Naoko=直子, Ren=蓮, Keiko=恵子, Taro=太郎, Emi=エミ, Ken=ケン",
        families: "Satō=佐藤, Suzuki=鈴木, Takahashi=高橋, Tanaka=田中, Watanabe=渡辺, Itō=伊藤, Yamamoto=山本, Nakamura=中村, Kobayashi=小林, \
            Katō=加藤, Yoshida=吉田, Yamada=山田, Sasaki=佐々木, Yamaguchi=山口, Matsumoto=松本, Inoue=井上, Kimura=木村, Hayashi=林, \
            Shimizu=清水, Saitō=斎藤",
        middle: Middle::Nothing,
        local_names: 95,
        joined: true,
    },
    Culture {
        share: 3,
        country_code: "+82",
        given: "Min=민, Ji=지, Seo=서, Jun=준, Hyun=현, Soo=수, Young=영, Jin=진, Eun=은, Woo=우, Hye=혜, Sung=성, Jae=재, Kyung=경, Ha=하, \
            Yeon=연",
        families: "Kim=김, Lee=이, Park=박, Choi=최, Jung=정, Kang=강, Cho=조, Yoon=윤, Jang=장, Lim=임, Han=한, Oh=오, Seo=서, Shin=신, Kwon=권, \
            Hwang=황",
        middle: Middle::Syllable,
        local_names: 95,
        joined: true,
    },
    Culture {
        share: 3,
        country_code: "+972",
        given: "Noam=נועם, Tamar=תמר, David=דוד, Noa=נועה, Yosef=יוסף, Maya=מאיה, Daniel=דניאל, Yael=יעל, Moshe=משה, \
            Shira=שירה, Itai=איתי, Adi=עדי, Avraham=אברהם, Rivka=רבקה, Eitan=איתן, Michal=מיכל, Omer=עומר, Hila=הילה, \
            Yonatan=יונתן, Ayelet=איילת",
        families: "Cohen=כהן, Levi=לוי, Mizrahi=מזרחי, Peretz=פרץ, Biton=ביטון, Dahan=דהן, Avraham=אברהם, Friedman=פרידמן, \
            Malka=מלכה, Azoulay=אזולאי, Katz=כץ, Yosef=יוסף, David=דוד, Amar=עמר, Ohayon=אוחיון, Hadad=חדד, Gabay=גבאי, \
            Ben-David=בן-דוד, Adler=אדלר, Shapira=שפירא",
        middle: Middle::Given,
        local_names: 95,
        joined: false,
    },
    Culture {
        share: 3,
        country_code: "+90",
        given: "Mehmet, Ayşe, Mustafa, Fatma, Ahmet, Emine, İbrahim, Hatice, Hüseyin, Zeynep, Çağlar, Gülşen, Uğur, Işıl, \
            Özgür, Şule, Ömer, Tuğba, Yiğit, Ebru",
        families: "Yılmaz, Kaya, Demir, Şahin, Çelik, Yıldız, Yıldırım, Öztürk, Aydın, Özdemir, Arslan, Doğan, Kılıç, Aslan, \
            Çetin, Kara, Koç, Kurt, Özkan, Şimşek",
        middle: Middle::Given,
        local_names: 40,
        joined: false,
    },
    Culture {
        share: 3,
        country_code: "+48",
        given: "Anna, Piotr, Małgorzata, Krzysztof, Agnieszka, Andrzej, Łukasz, Ewa, Stanisław, Zofia, Paweł, Elżbieta, Michał, \
            Grażyna, Wojciech, Jiří, Žaneta, Václav, Şerban, Zoltán",
        families: "Nowak, Kowalski, Wiśniewski, Wójcik, Kowalczyk, Kamiński, Lewandowski, Zieliński, Szymański, Woźniak, \
            Dąbrowski, Kozłowski, Jankowski, Dvořák, Černý, Novák, Procházka, Szabó, Kovács, Ștefănescu",
        middle: Middle::Given,
        local_names: 40,
        joined: false,
    },
    Culture {
        share: 3,
        country_code: "+84",
        given: "Anh, Minh, Hương, Tuấn, Linh, Dũng, Hà, Đức, Thảo, Hùng, Mai, Nam, Lan, Quốc, Ngọc, Thành, Yến, Bình, Phượng, \
            Khánh",
        families: "Nguyễn, Trần, Lê, Phạm, Hoàng, Huỳnh, Phan, Vũ, Võ, Đặng, Bùi, Đỗ, Hồ, Ngô, Dương, Lý, Đinh, Trịnh, Tạ, Mạc",
        middle: Middle::Given,
        local_names: 40,
        joined: false,
    },
];

const CREATORS: [(&str, &str, &str, UserType); 6] = [
    ("60f1b2b3c9e9a12345678901", "admin_user", "Admin User", UserType::Admin),
    ("60f1b2b3c9e9a12345678902", "layla.h", "Layla Haddad", UserType::Rep),
    ("60f1b2b3c9e9a12345678903", "tariq", "Tariq Mansour", UserType::Rep),
    ("60f1b2b3c9e9a12345678904", "mchen", "Mei Chen", UserType::Rep),
    ("60f1b2b3c9e9a12345678905", "jsmith", "John Smith", UserType::Rep),
    ("60f1b2b3c9e9a12345678906", "portal", "Customer Portal", UserType::Client),
];

const COMPANIES: [&str; 24] = [
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
    "silk-road-imports",
    "desert-rose",
    "metro-electronics",
    "summit-builders",
    "golden-dates",
    "coastline",
    "fresh-basket",
    "star-medical",
    "palm-cafe",
    "union-stationery",
    "horizon-textiles",
];

const TITLES: [&str; 24] = [
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
];

const REMARKS: [&str; 12] = [
    "Prefers to be called in the morning.",
    "Speaks Arabic and English.",
    "Orders every second Thursday.",
    "Met at the trade fair.",
    "Send invoices to the accountant, with the order number.",
    "يفضل التواصل عبر البريد الإلكتروني.",
    "Do not call on Fridays.",
    "Decides on the budget; ask the assistant for an appointment first.",
    "Deliveries through the back entrance, before ten.",
    "Говорит по-русски.",
    "Préfère le courriel au téléphone.",
    "Has taken over from a colleague and is new to our range.",
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use shared::body::ContactBody;
    use shared::contact::ContactJson;
    use shared::handling::Handling;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_760_000_000_000);

    fn some(seed: u64) -> Vec<Contact> {
        Lifelike::new(seed, 2_000, "company1", NOW).collect()
    }

    #[test]
    fn every_contact_is_one_that_the_api_takes() {
        for contact in some(1) {
            let json = serde_json::to_vec(&ContactJson(&contact)).unwrap();
            ContactBody::for_create(&json, &Handling::default()).unwrap();
        }
    }

    #[test]
    fn the_same_numbers_make_the_same_contacts_and_others_make_others() {
        assert_eq!(some(1), some(1));
        let later = Lifelike::new(1, 2_000, "company1", NOW.plus_millis(1));
        let ids: HashSet<_> = some(1).into_iter().chain(some(2)).chain(later).map(|contact| contact.id).collect();
        assert_eq!(ids.len(), 6_000);
    }

    #[test]
    fn contacts_are_created_one_after_the_other_up_to_now() {
        let created: Vec<_> = some(1).iter().map(|contact| contact.created_at).collect();
        assert!(created.is_sorted());
        assert!(created[0] < NOW.plus_millis(-HISTORY * 99 / 100) && created[1_999] > NOW.plus_millis(-HISTORY / 100));
        assert!(created[1_999] < NOW);
    }

    #[test]
    fn some_share_a_name_and_most_do_not() {
        let contacts = some(1);
        let names: HashSet<_> = contacts.iter().map(|contact| &contact.name).collect();
        assert!((1_200..1_990).contains(&names.len()), "{}", names.len());
        let share = |has: fn(&Contact) -> bool| contacts.iter().filter(|contact| has(contact)).count() / 20;
        assert!((65..95).contains(&share(|contact| contact.local_name.is_some())));
        assert!((45..55).contains(&share(|contact| contact.phone2.is_some())));
        assert!((1..6).contains(&share(|contact| contact.disabled)));
        assert!((65..95).contains(&share(|contact| !contact.local_name.as_deref().unwrap_or_default().is_ascii())));
    }
}
