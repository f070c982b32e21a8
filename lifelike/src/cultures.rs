//! The cultures, and their names.

use crate::culture::{Culture, Description, Middle};

/// All cultures.
pub(crate) fn all() -> Vec<Culture> {
    CULTURES.iter().map(Culture::of).collect()
}

const CULTURES: [Description; 21] = [
    Description {
        share: 28,
        country_code: "+971",
        given: "Mohammed=محمد, Ahmed=أحمد, Fatima=فاطمة, Ali=علي, Mariam=مَرْيَم, Omar=عمر, Khalid=خالد, Sara=سارة, \
            Abdullah=عبد الله, Aisha=عائشة, Hassan=حسن, Layla=ليلى, Youssef=يوسف, Noor=نور, Zainab=زينب, Ibrahim=إبراهيم, \
            Karim=كريم, Salma=سلمى, Tariq=طارق, Huda=هدى, Bilal=بلال, Samir=سمير, Rania=رانيا, Hussein=حسين, Nadia=نادية, \
            Majid=ماجد, Dalal=دلال, Walid=وليد",
        families: "Al-Mansoori=المنصوري, Al-Farsi=الفارسي, Haddad=حداد, Khoury=خوري, Al-Sayed=السيد, Mahmoud=محمود, \
            Saleh=صالح, \
            Nasser=ناصر, Al-Harbi=الحربي, Al-Otaibi=العتيبي, Darwish=درويش, Mansour=منصور, Al-Qahtani=القحطاني, \
            Abdelrahman=عبد الرحمن, Ben Ali=بن علي, El Amrani=العمراني, Zidan=زيدان, Al-Hashimi=الهاشمي, Sabbagh=صباغ, \
            Najjar=نجار, Al-Shehhi=الشحي, Boutros=بطرس, Al-Balushi=البلوشي, Al-Zaabi=الزعابي, Al-Suwaidi=السويدي, \
            Shaheen=شاهين, Al-Ketbi=الكتبي, Hamdan=حمدان",
        syllables: "Hab=حب, Mar=مر, Sal=سل, Qas=قس, Raf=رف, Jab=جب, Nas=نس, Dar=در, Zub=زب, Far=فر, Mut=مت, Shar=شر, \
            Kan=كن, Bad=بد, Ham=حم, Wah=وه, Tam=تم, Gha=غا, Al-Kab=الكب, Al-Sham=الشم, Al-Mur=المر, Al-Raw=الرو, \
            Al-Bus=البس, Al-Dha=الظا; a=ا, i=ي, u=و, ra=را, ri=ري, ma=ما, li=لي, da=دا, sa=سا, ti=تي, na=نا, wa=وا, \
            ba=با, ka=كا; d=د, l=ل, m=م, n=ن, r=ر, b=ب, f=ف, si=سي, wi=وي, ani=اني, oun=ون, iya=ية",
        middle: Middle::Given,
        local_names: 97,
        joined: false,
    },
    Description {
        share: 12,
        country_code: "+1",
        given: "John=جون, Mary=ماري, James=جيمس, Emma=إيما, David=ديفيد, Sarah=سارة, Michael=مايكل, Olivia=أوليفيا, \
            Robert=روبرت, Grace=غريس, Daniel=دانيال, Anna=آنا, Thomas=توماس, Emily=إميلي, William=ويليام, Lucy=لوسي, \
            George=جورج, Kate=كيت, Peter=بيتر, Rose=روز, Seán=شون, Zoë=زوي, Siobhán=شيفون, Harry=هاري",
        families: "Smith=سميث, Jones=جونز, Brown=براون, Taylor=تايلور, Wilson=ويلسون, Miller=ميلر, Johnson=جونسون, \
            Walker=ووكر, \
            White=وايت, Green=غرين, Hall=هول, O'Brien=أوبراين, Clarke=كلارك, Lewis=لويس, Scott=سكوت, Young=يونغ, King=كينغ, \
            Baker=بيكر, Hill=هيل, O'Neill=أونيل, MacDonald=ماكدونالد, Turner=تيرنر, Cooper=كوبر, Brontë=برونتي",
        syllables: "Ash=آش, Black=بلاك, Brad=براد, Car=كار, Whit=ويت, Har=هار, Hol=هول, King=كينغ, Lang=لانغ, Mid=ميد, \
            North=نورث, Oak=أوك, Pem=بيم, Rad=راد, Stan=ستان, Thorn=ثورن, Wake=ويك, Wood=وود, Mac=ماك, Fitz=فيتز, \
            Ches=تشيس, Dun=دون; er=ر, ing=ينغ, en=ين, ber=بر, ker=كر, ing=ينغ, al=ال, ins=ينس, ow=و, ar=ار, ot=وت, \
            el=يل; ton=تون, field=فيلد, ford=فورد, ham=هام, ley=لي, man=مان, son=سون, well=ويل, worth=وورث, wood=وود, \
            more=مور, by=بي, ster=ستر, dale=ديل",
        middle: Middle::Given,
        local_names: 60,
        joined: false,
    },
    Description {
        share: 12,
        country_code: "+91",
        given: "Priya=प्रिया, Rahul=राहुल, Amit=अमित, Anjali=अंजलि, Sanjay=संजय, Sunita=सुनीता, Vijay=विजय, Pooja=पूजा, \
            Rajesh=राजेश, Neha=नेहा, Arjun=अर्जुन, Kavita=कविता, Deepak=दीपक, Lakshmi=लक्ष्मी, Suresh=सुरेश, Meera=मीरा, \
            Ravi=रवि, Asha=आशा, Anil=अनिल, Divya=दिव्या, Kiran=किरण, Manoj=मनोज, Rekha=रेखा, Vikram=विक्रम",
        families: "Sharma=शर्मा, Singh=सिंह, Kumar=कुमार, Patel=पटेल, Gupta=गुप्ता, Verma=वर्मा, Mehta=मेहता, Joshi=जोशी, \
            Mishra=मिश्रा, Yadav=यादव, Reddy=रेड्डी, Nair=नायर, Iyer=अय्यर, Desai=देसाई, Agarwal=अग्रवाल, Chauhan=चौहान, \
            Malhotra=मल्होत्रा, Pandey=पांडे, Rao=राव, Saxena=सक्सेना, Tiwari=तिवारी, Bhatt=भट्ट, Kapoor=कपूर, \
            Chopra=चोपड़ा",
        syllables: "Bala=बाला, Chandra=चन्द्र, Deva=देव, Gopa=गोपा, Hari=हरि, Jaya=जय, Krishna=कृष्ण, Maha=महा, \
            Nara=नर, Padma=पद्म, Rama=राम, Sri=श्री, Sub=सुब, Tiru=तिरु, Uma=उमा, Venka=वेंक, Vish=विश, Ananda=आनंद, \
            Bhu=भु, Dhana=धन; ra=रा, va=व, na=ना, ya=य, ma=म, ka=क, la=ल, ta=त, pa=प, sa=स, ga=ग; swamy=स्वामी, \
            nathan=नाथन, murthy=मूर्ति, kar=कर, wal=वाल, dev=देव, esh=ेश, pur=पुर, raj=राज, patil=पाटिल, appa=प्पा, garh=गढ़",
        middle: Middle::Given,
        local_names: 70,
        joined: false,
    },
    Description {
        share: 8,
        country_code: "+7",
        given: "Alexander=Александр, Elena=Елена, Dmitri=Дмитрий, Anna=Анна, Sergei=Сергей, Olga=Ольга, Ivan=Иван, \
            Natalia=Наталья, Alexei=Алексей, Tatiana=Татьяна, Andrei=Андрей, Irina=Ирина, Mikhail=Михаил, \
            Ekaterina=Екатерина, Nikolai=Николай, Svetlana=Светлана, Vladimir=Владимир, Maria=Мария, Yuri=Юрий, \
            Ksenia=Ксения, Fyodor=Фёдор, Yulia=Юлия, Oleksandr=Олександр, Andriy=Андрій",
        families: "Kuznetsov=Кузнецов, Popov=Попов, Sokolov=Соколов, Shevchenko=Шевченко, Kovalenko=Коваленко, \
            Morozov=Морозов, \
            Lebedev=Лебедев, Volkov=Волков, Bondarenko=Бондаренко, Novikov=Новиков, Kozlov=Козлов, Tkachenko=Ткаченко, \
            Pavlov=Павлов, Petrenko=Петренко, Fedorov=Фёдоров, Melnik=Мельник, Zaytsev=Зайцев, Solovyov=Соловьёв, \
            Dyachenko=Дьяченко, Voronenko=Вороненко, Belov=Белов, Romanenko=Романенко, Yakovlev=Яковлев, \
            Kravchenko=Кравченко",
        syllables: "Abra=Абра, Bere=Бере, Vini=Вини, Gavri=Гаври, Dorofe=Дорофе, Yere=Ере, Zhura=Жура, Zube=Зубе, \
            Kali=Кали, Lysa=Лыса, Miro=Миро, Nazare=Назаре, Osta=Оста, Peresh=Переш, Roma=Рома, Sobo=Собо, Teres=Терес, \
            Usti=Усти, Khari=Хари, Chere=Чере, Shapo=Шапо, Shchu=Щу; mo=мо, va=ва, li=ли, re=ре, ni=ни, ko=ко, da=да, \
            si=си, to=то, ba=ба, no=но, pa=па; nov=нов, nova=нова, lev=лев, chenko=ченко, chuk=чук, sky=ский, \
            skaya=ская, yov=ёв, kin=кин, tsev=цев, dze=дзе, yan=ян",
        middle: Middle::Nothing,
        local_names: 95,
        joined: false,
    },
    Description {
        share: 7,
        country_code: "+86",
        given: "Wei=伟, Min=敏, Jing=静, Li=丽, Qiang=强, Lei=磊, Yan=艳, Jun=军, Yang=洋, Yong=勇, Jie=杰, Juan=娟, Tao=涛, Ming=明, \
            Chao=超, \
            Xiu=秀, Xia=霞, Ping=平, Gang=刚, Hua=华, Yu=雨, Xin=欣, Bo=博, Hao=浩",
        families: "Wang=王, Li=李, Zhang=张, Liu=刘, Chen=陈, Yang=杨, Huang=黄, Zhao=赵, Wu=吴, Zhou=周, Xu=徐, Sun=孙, Ma=马, \
            Zhu=朱, Hu=胡, \
            Guo=郭, He=何, Lin=林, Gao=高, Luo=罗, Zheng=郑, Liang=梁, Xie=谢, Ouyang=欧阳",
        syllables: "An=安, Bai=白, Cao=曹, Deng=邓, Fan=范, Feng=冯, Han=韩, Jiang=江, Kong=孔, Lu=陆, Meng=孟, Pan=潘, Qian=钱, \
            Ren=任, Shen=沈, Tang=唐, Wan=万, Xiao=肖, Yao=姚, Zeng=曾, Situ=司徒, Shangguan=上官; a=阿, er=尔, da=达, zi=子, xiao=小, \
            wen=文; mei=梅, long=龙, feng=凤, lan=兰, bin=斌, hui=慧, kai=凯, rui=瑞, shan=山, ting=婷, ying=英, zhen=珍, ze=泽, qing=清",
        middle: Middle::Syllable,
        local_names: 95,
        joined: true,
    },
    Description {
        share: 7,
        country_code: "+34",
        given: "María, José, Carmen, Antonio, Ana, Manuel, Lucía, Francisco, Sofía, Juan, Paula, Javier, Elena, Jesús, Inês, \
            João, Conceição, Andrés, Belén, Ángel, Raúl, Íñigo, Mónica, Sebastián",
        families: "García, Rodríguez, González, Fernández, López, Martínez, Sánchez, Pérez, Gómez, Martín, Jiménez, \
            Hernández, \
            Díaz, Muñoz, Álvarez, Romero, Gutiérrez, Núñez, Ibáñez, Peña, da Silva, Gonçalves, Araújo, Guimarães",
        syllables: "Alba, Bena, Caste, Domín, Echeva, Figue, Goico, Hino, Ibarra, Jime, Lasa, Mendi, Nava, Olivei, \
            Pacheco, Quinta, Rivade, Sala, Tole, Urru, Valde, Zaba; r, ne, lo, ri, che, ta, ro, ma, ga, ño, ci, te; ez, \
            es, eira, illa, ado, ero, ano, oa, ción, ués, ena, aga, tegui, ães",
        middle: Middle::Family,
        local_names: 40,
        joined: false,
    },
    Description {
        share: 5,
        country_code: "+33",
        given: "Marie, Jean, François, Chloé, Pierre, Léa, Michel, Camille, Zoé, André, Hélène, Luc, Élodie, Mathieu, Inès, \
            Rémi, Agnès, Noël, Anaïs, Étienne, Gaël, Aurélie, Benoît, Maëlys",
        families: "Martin, Bernard, Dubois, Lefèvre, Moreau, Laurent, Girard, Bonnet, Lambert, François, Fournier, Mercier, \
            Guérin, Chevalier, Gauthier, Perrot, Lévêque, Rémy, Barthélemy, Châtelain, Béranger, d'Aubigné, Le Goff, \
            Desprès",
        syllables: "Aube, Beau, Char, Dela, Éche, Fon, Gran, Haute, Jour, La, Mont, Noi, Pel, Rous, Saint-, Tur, Vau, \
            Bois, Cha, Clé; ri, mo, le, ga, ne, cha, vi, bé, li, ro, man, ti; teau, mont, ville, gnon, let, rand, dieu, \
            champ, nier, çon, tin, gnac, seau, ault",
        middle: Middle::Given,
        local_names: 40,
        joined: false,
    },
    Description {
        share: 4,
        country_code: "+49",
        given: "Anna, Jürgen, Ursula, Thomas, Björn, Sabine, Jörg, Käthe, Stefan, Günther, Monika, Søren, Åsa, Lars, Ingrid, \
            Sören, Heike, Matthias, Zoë, Änne, Klaus, Uwe, Petra, Björk",
        families: "Müller, Schmidt, Schneider, Fischer, Weber, Meyer, Wagner, Becker, Schulz, Hoffmann, Schäfer, Koch, Groß, \
            Krüger, Jäger, Köhler, Weiß, Öztürk, Strauß, Løvgren, Ångström, Jørgensen, von der Heide, Lindqvist",
        syllables: "Alten, Birken, Buch, Dorn, Eichen, Fel, Gers, Hage, Iser, Kessel, Lich, Mün, Neu, Ober, Pfef, \
            Rosen, Stein, Tann, Unter, Vogel, Wald, Zim; er, en, ber, ger, ten, ler, ste, ke, mer, sen, del, bru; mann, \
            bach, berg, feld, haus, hofer, meier, müller, stein, wald, burg, dorf, lund, ström, sen, gård",
        middle: Middle::Given,
        local_names: 40,
        joined: false,
    },
    Description {
        share: 4,
        country_code: "+30",
        given: "Giorgos=Γιώργος, Maria=Μαρία, Dimitris=Δημήτρης, Eleni=Ελένη, Nikos=Νίκος, Katerina=Κατερίνα, \
            Yannis=Γιάννης, \
            Sofia=Σοφία, Kostas=Κώστας, Vasiliki=Βασιλική, Christos=Χρήστος, Anna=Άννα, Panagiotis=Παναγιώτης, \
            Dimitra=Δήμητρα, Vasilis=Βασίλης, Ioanna=Ιωάννα, Thanasis=Θανάσης, Zoe=Ζωή, Stavros=Σταύρος, Despina=Δέσποινα",
        families: "Papadopoulos=Παπαδόπουλος, Georgiou=Γεωργίου, Ioannou=Ιωάννου, Pappas=Παππάς, Nikolaidis=Νικολαΐδης, \
            Vlachos=Βλάχος, Angelopoulos=Αγγελόπουλος, Makris=Μακρής, Dimitriou=Δημητρίου, Christodoulou=Χριστοδούλου, \
            Economou=Οικονόμου, Samaras=Σαμαράς, Antoniou=Αντωνίου, Karagiannis=Καραγιάννης, Alexiou=Αλεξίου, \
            Konstantinou=Κωνσταντίνου, Stefanidis=Στεφανίδης, Theodorou=Θεοδώρου, Zervas=Ζέρβας, Petrou=Πέτρου",
        syllables: "Anagno=Αναγνω, Arvani=Αρβανι, Drako=Δρακο, Filip=Φιλιπ, Galan=Γαλαν, Kalo=Καλο, Kara=Καρα, \
            Lampro=Λαμπρο, Mavro=Μαυρο, Niko=Νικο, Palaio=Παλαιο, Rapti=Ραπτη, Spyro=Σπυρο, Tsako=Τσακω, Xeno=Ξενο, \
            Zacha=Ζαχα, Hatzi=Χατζη, Papa=Παπα; ma=μα, ri=ρι, ko=κο, ni=νι, la=λα, do=δο, po=πο, sta=στα, the=θε, \
            gi=γι; poulos=πουλος, idis=ίδης, akis=άκης, ou=ου, oglou=όγλου, as=ας, eas=έας, atos=άτος, ellis=έλλης, os=ος",
        middle: Middle::Nothing,
        local_names: 95,
        joined: false,
    },
    Description {
        share: 4,
        country_code: "+81",
        given: "Yuki=ゆき, Haruto=陽翔, Sakura=さくら, Hiroshi=浩, Yui=結衣, Takashi=隆, Aoi=葵, Kenji=健二, Hina=陽菜, Satoshi=聡, Rin=凛, \
            Daisuke=大輔, Akiko=明子, Kaito=海斗, Naoko=直子, Ren=蓮, Keiko=恵子, Taro=太郎, Emi=エミ, Ken=ケン",
        families: "Satō=佐藤, Suzuki=鈴木, Takahashi=高橋, Tanaka=田中, Watanabe=渡辺, Itō=伊藤, Yamamoto=山本, Nakamura=中村, Kobayashi=小林, \
            Katō=加藤, Yoshida=吉田, Yamada=山田, Sasaki=佐々木, Yamaguchi=山口, Matsumoto=松本, Inoue=井上, Kimura=木村, Hayashi=林, \
            Shimizu=清水, Saitō=斎藤",
        syllables: "Aka=赤, Ao=青, Ara=荒, Asa=朝, Fuji=藤, Fuku=福, Hama=浜, Hoshi=星, Ima=今, Iwa=岩, Kawa=川, Kita=北, Kuro=黒, \
            Matsu=松, Mizu=水, Mori=森, Naga=永, Nishi=西, O=大, Saka=坂, Shira=白, Taka=高, Toku=徳, Yoshi=吉; no=野, ma=間, ka=加, \
            ya=矢, hara=原, ta=田; moto=本, mura=村, zawa=沢, saki=崎, shima=島, yama=山, uchi=内, mori=森, gawa=川, be=部, se=瀬, naka=中",
        middle: Middle::Nothing,
        local_names: 95,
        joined: true,
    },
    Description {
        share: 3,
        country_code: "+82",
        given: "Min=민, Ji=지, Seo=서, Jun=준, Hyun=현, Soo=수, Young=영, Jin=진, Eun=은, Woo=우, Hye=혜, Sung=성, Jae=재, Kyung=경, Ha=하, \
            Yeon=연",
        families: "Kim=김, Lee=이, Park=박, Choi=최, Jung=정, Kang=강, Cho=조, Yoon=윤, Jang=장, Lim=임, Han=한, Oh=오, Seo=서, \
            Shin=신, Kwon=권, \
            Hwang=황",
        syllables: "Nam=남, Bae=배, Moon=문, Son=손, Yang=양, Baek=백, Heo=허, Yoo=유, Noh=노, Sim=심, Ha=하, Ku=구, Ryu=류, Min=민, \
            Jin=진, Chae=채, Won=원, Bang=방, Byun=변, Seok=석; a=아, na=나, ra=라, ma=마, sa=사, ja=자; bin=빈, ho=호, ki=기, mi=미, \
            na=나, ra=라, sun=선, tae=태, wan=완, won=원, yul=율, bi=비",
        middle: Middle::Syllable,
        local_names: 95,
        joined: true,
    },
    Description {
        share: 3,
        country_code: "+972",
        given: "Noam=נועם, Tamar=תמר, David=דוד, Noa=נועה, Yosef=יוסף, Maya=מאיה, Daniel=דניאל, Yael=יעל, Moshe=משה, \
            Shira=שירה, Itai=איתי, Adi=עדי, Avraham=אברהם, Rivka=רבקה, Eitan=איתן, Michal=מיכל, Omer=עומר, Hila=הילה, \
            Yonatan=יונתן, Ayelet=איילת",
        families: "Cohen=כהן, Levi=לוי, Mizrahi=מזרחי, Peretz=פרץ, Biton=ביטון, Dahan=דהן, Avraham=אברהם, Friedman=פרידמן, \
            Malka=מלכה, Azoulay=אזולאי, Katz=כץ, Yosef=יוסף, David=דוד, Amar=עמר, Ohayon=אוחיון, Hadad=חדד, Gabay=גבאי, \
            Ben-David=בן-דוד, Adler=אדלר, Shapira=שפירא",
        syllables: "Abram=אברמ, Ben-A=בן-א, Bar=בר, Gold=גולד, Green=גרינ, Kap=קפ, Lev=לב, Mal=מל, Nach=נח, Ros=רוז, \
            Shem=שמ, Tzu=צו, Weiss=ויס, Zil=זיל, Feld=פלד, Hir=היר; er=ר, an=אנ, el=אל, in=ינ, ov=וב, es=ס, ri=רי, \
            li=לי; berg=ברג, man=מן, stein=שטיין, feld=פלד, sky=סקי, vitz=ביץ, ov=וב, i=י, ron=רון, tal=טל, baum=באום, \
            zon=זון",
        middle: Middle::Given,
        local_names: 95,
        joined: false,
    },
    Description {
        share: 3,
        country_code: "+90",
        given: "Mehmet, Ayşe, Mustafa, Fatma, Ahmet, Emine, İbrahim, Hatice, Hüseyin, Zeynep, Çağlar, Gülşen, Uğur, Işıl, \
            Özgür, Şule, Ömer, Tuğba, Yiğit, Ebru",
        families: "Yılmaz, Kaya, Demir, Şahin, Çelik, Yıldız, Yıldırım, Öztürk, Aydın, Özdemir, Arslan, Doğan, Kılıç, Aslan, \
            Çetin, Kara, Koç, Kurt, Özkan, Şimşek",
        syllables: "Ak, Alp, Bay, Boz, Cey, Çel, Dağ, Er, Gök, Gün, Hor, İn, Kal, Kor, Öz, Pek, Sarı, Şen, Tan, Tür, \
            Uç, Yal; ba, ka, ta, ka, ra, de, bo, çe, la, mu, sa, ğı; oğlu, can, demir, er, kan, kaya, maz, soy, taş, \
            türk, yürek, çı, gil, ğan",
        middle: Middle::Given,
        local_names: 40,
        joined: false,
    },
    Description {
        share: 3,
        country_code: "+48",
        given: "Anna, Piotr, Małgorzata, Krzysztof, Agnieszka, Andrzej, Łukasz, Ewa, Stanisław, Zofia, Paweł, Elżbieta, \
            Michał, \
            Grażyna, Wojciech, Jiří, Žaneta, Václav, Şerban, Zoltán",
        families: "Nowak, Kowalski, Wiśniewski, Wójcik, Kowalczyk, Kamiński, Lewandowski, Zieliński, Szymański, Woźniak, \
            Dąbrowski, Kozłowski, Jankowski, Dvořák, Černý, Novák, Procházka, Szabó, Kovács, Ștefănescu",
        syllables: "Bar, Bła, Chmie, Dom, Gór, Grab, Jag, Kacz, Kró, Lis, Mal, Maz, Nowa, Ostro, Pie, Ra, Saw, Stę, \
            Tom, Wil, Zawa, Żu; a, e, in, o, ow, al, ic, ar, ań, er, ob, ny; ski, ska, czyk, wicz, owski, owska, iak, \
            ek, ka, ák, ová, escu, ányi, czak",
        middle: Middle::Given,
        local_names: 40,
        joined: false,
    },
    Description {
        share: 3,
        country_code: "+84",
        given: "Anh, Minh, Hương, Tuấn, Linh, Dũng, Hà, Đức, Thảo, Hùng, Mai, Nam, Lan, Quốc, Ngọc, Thành, Yến, Bình, \
            Phượng, \
            Khánh",
        families: "Nguyễn, Trần, Lê, Phạm, Hoàng, Huỳnh, Phan, Vũ, Võ, Đặng, Bùi, Đỗ, Hồ, Ngô, Dương, Lý, Đinh, Trịnh, \
            Tạ, Mạc",
        syllables: "Bế, Cao, Chu, Doãn, Giang, Hà, Khổng, La, Lương, Mạch, Nghiêm, Ông, Phùng, Quách, Tăng, Thái, Tống, \
            Từ, Văn, Viên; a, an, ê, i, ô, u; Châu, Đạt, Hạnh, Khoa, Loan, Mỹ, Nhung, Oanh, Phúc, Quyên, Sơn, Thắng, \
            Uyên, Việt, Xuân",
        middle: Middle::Given,
        local_names: 40,
        joined: false,
    },
    Description {
        share: 6,
        country_code: "+98",
        given: "Reza=رضا, Zahra=زهرا, Amir=امیر, Maryam=مریم, Hossein=حسین, Parisa=پریسا, Mehdi=مهدی, Shirin=شیرین, \
            Behnam=بهنام, Nasrin=نسرین",
        families: "Hosseini=حسینی, Karimi=کریمی, Rezaei=رضایی, Ahmadi=احمدی, Moradi=مرادی, Jafari=جعفری, Rahimi=رحیمی, \
            Kazemi=کاظمی, Ebrahimi=ابراهیمی, Golzar=گلزار",
        syllables: "Ban=بان, Dar=دار, Far=فر, Gol=گل, Jah=جه, Kav=کاو, Mehr=مهر, Nav=نو, Pour=پور, Roud=رود, Shah=شاه, \
            Teh=ته, Var=ور, Yaz=یز, Zand=زند, Khosh=خوش; a=ا, i=ی, e=ه, an=ان, ba=با, da=دا, ma=ما, ne=نه, ra=را, \
            za=زا; zadeh=زاده, pour=پور, nejad=نژاد, i=ی, ian=یان, far=فر, doust=دوست, vand=وند, abadi=آبادی, manesh=منش",
        middle: Middle::Nothing,
        local_names: 95,
        joined: false,
    },
    Description {
        share: 4,
        country_code: "+66",
        given: "Somchai=สมชาย, Malee=มาลี, Anong=อนงค์, Niran=นิรันดร์, Kanya=กัญญา, Prasert=ประเสริฐ, Suda=สุดา, \
            Wichai=วิชัย, Ploy=พลอย, Chai=ชัย",
        families: "Saetang=แซ่ตั้ง, Srisai=ศรีใส, Wongsa=วงษา, Thongdee=ทองดี, Chaiyo=ไชโย, Bunmi=บุญมี, Rattana=รัตนา, \
            Suksai=สุขใส, Phanit=พาณิช, Khamdee=คำดี",
        syllables: "Charoen=เจริญ, Thana=ธนา, Siri=สิริ, Pong=พงศ์, Wira=วีระ, Amorn=อมร, Kittis=กิตติ, Nara=นรา, \
            Phuwa=ภูวา, Rung=รุ่ง, Sombat=สมบัติ, Udom=อุดม; wat=วัฒน์, ra=รา, na=นา, ma=มา, sa=สา, pa=ปา, ka=กา, \
            chai=ชัย; kul=กุล, wong=วงศ์, porn=พร, suk=สุข, rat=รัตน์, sin=ศิลป์, pan=พันธ์, sri=ศรี, thong=ทอง, dech=เดช",
        middle: Middle::Nothing,
        local_names: 90,
        joined: false,
    },
    Description {
        share: 4,
        country_code: "+880",
        given: "Rahima=রহিমা, Karim=করিম, Nusrat=নুসরাত, Tanvir=তানভীর, Sumaiya=সুমাইয়া, Arif=আরিফ, Shirin=শিরিন, \
            Rafiq=রফিক, Ayesha=আয়েশা, Imran=ইমরান",
        families: "Islam=ইসলাম, Hossain=হোসেন, Rahman=রহমান, Akter=আক্তার, Khatun=খাতুন, Chowdhury=চৌধুরী, \
            Sarkar=সরকার, Das=দাস, Mia=মিয়া, Talukder=তালুকদার",
        syllables: "Ban=বান, Bhatta=ভট্টা, Chakra=চক্র, Datta=দত্ত, Gango=গাঙ্গো, Haldar=হালদার, Kundu=কুন্ডু, \
            Mukho=মুখো, Nandi=নন্দী, Pal=পাল, Roy=রায়, Sen=সেন; pa=পা, ra=রা, na=না, ma=মা, ti=তি, ka=কা, lo=লো, \
            bi=বি; dhyay=ধ্যায়, varti=বর্তী, charya=চার্য, dar=দার, gupta=গুপ্ত, mondal=মণ্ডল, nath=নাথ, uddin=উদ্দিন, \
            ulla=উল্লাহ, bari=বাড়ি",
        middle: Middle::Given,
        local_names: 85,
        joined: false,
    },
    Description {
        share: 3,
        country_code: "+251",
        given: "Abebe=አበበ, Almaz=አልማዝ, Bekele=በቀለ, Hana=ሃና, Dawit=ዳዊት, Selam=ሰላም, Tesfaye=ተስፋዬ, Meron=ሜሮን, Yonas=ዮናስ, \
            Marta=ማርታ",
        families: "Haile=ኃይሌ, Tadesse=ታደሰ, Girma=ግርማ, Wolde=ወልደ, Kebede=ከበደ, Mengistu=መንግስቱ, Desta=ደስታ, Alemu=አለሙ, \
            Assefa=አሰፋ, Negash=ነጋሽ",
        syllables: "Gebre=ገብረ, Habte=ሀብተ, Kidane=ኪዳነ, Lemma=ለማ, Mulu=ሙሉ, Sahle=ሳህለ, Tekle=ተክለ, Wolde=ወልደ, Zewde=ዘውዴ, \
            Amare=አማረ, Biru=ብሩ, Demi=ደሚ; ma=ማ, la=ላ, ra=ራ, ne=ነ, te=ተ, ga=ጋ, sa=ሳ, be=በ; mariam=ማርያም, selassie=ሥላሴ, \
            yesus=የሱስ, giorgis=ጊዮርጊስ, mikael=ሚካኤል, hiwot=ሕይወት, wold=ወልድ, tsadik=ጻድቅ, nesh=ነሽ, chew=ቸው",
        middle: Middle::Nothing,
        local_names: 80,
        joined: false,
    },
    Description {
        share: 3,
        country_code: "+374",
        given: "Armen=Արմեն, Ani=Անի, Tigran=Տիգրան, Lusine=Լուսինե, Davit=Դավիթ, Mariam=Մարիամ, Hayk=Հայկ, Nare=Նարե, \
            Gor=Գոռ, Anahit=Անահիտ",
        families: "Petrosyan=Պետրոսյան, Grigoryan=Գրիգորյան, Sargsyan=Սարգսյան, Hakobyan=Հակոբյան, \
            Harutyunyan=Հարությունյան, Khachatryan=Խաչատրյան, Vardanyan=Վարդանյան, Karapetyan=Կարապետյան, \
            Manukyan=Մանուկյան, Avagyan=Ավագյան",
        syllables: "Abra=Աբրա, Bagh=Բաղ, Dani=Դանի, Yegh=Եղ, Zaka=Զաքա, Ter-=Տեր-, Khor=Խոր, Kira=Կիրա, Lal=Լալ, \
            Mel=Մել, Nazar=Նազար, Osk=Ոսկ, Sim=Սիմ, Vosk=Ոսկ; a=ա, o=ո, i=ի, ra=րա, ma=մա, da=դա, na=նա, ke=քե; \
            yan=յան, ian=իան, unts=ունց, uni=ունի, ents=ենց, anyan=անյան, uryan=ուրյան, elyan=ելյան, osyan=ոսյան, \
            ikyan=իկյան",
        middle: Middle::Nothing,
        local_names: 85,
        joined: false,
    },
    Description {
        share: 4,
        country_code: "+94",
        given: "Tamilselvi=தமிழ்செல்வி, Arjunan=அர்ஜுனன், Kavitha=கவிதா, Murugan=முருகன், Lakshmi=லட்சுமி, \
            Selvam=செல்வம், Priya=பிரியா, Raja=ராஜா, Meena=மீனா, Kumaran=குமரன்",
        families: "Pillai=பிள்ளை, Nadar=நாடார், Iyengar=ஐயங்கார், Rajan=ராஜன், Perera=பெரேரா, Sivam=சிவம், \
            Chettiar=செட்டியார், Fernando=பெர்னாண்டோ, Mani=மணி, Devar=தேவர்",
        syllables: "Arul=அருள், Bala=பாலா, Chinna=சின்ன, Ezhil=எழில், Guna=குண, Ila=இள, Kanna=கண்ண, Mutu=முத்து, \
            Nalla=நல்ல, Pandi=பாண்டி, Siva=சிவ, Thiru=திரு, Vel=வேல், Vetri=வெற்றி; ma=மா, ra=ரா, na=நா, va=வா, ya=யா, \
            ka=கா, sa=சா, la=லா; samy=சாமி, nathan=நாதன், rajan=ராஜன், kumar=குமார், lingam=லிங்கம், moorthy=மூர்த்தி, \
            arasu=அரசு, vel=வேல், appan=அப்பன், selvan=செல்வன்",
        middle: Middle::Nothing,
        local_names: 80,
        joined: false,
    },
];
