"""Pools of names for synthetic schools: several cultures, as a German school register spells them.

Frequent names stand first, because `seed` draws the front of a pool more often: that is what makes people of one name.
Surnames of cultures where they differ by sex are pairs written "Kowalska/Kowalski". Nobody real is meant.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Culture:
    """Given names for girls and boys, surnames, and how often it is drawn (parts of the sum of all)."""

    weight: int
    girls: tuple[str, ...]
    boys: tuple[str, ...]
    surnames: tuple[str, ...]


def _words(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.replace("\n", " ").split(","))


GERMAN = Culture(
    58,
    _words(
        "Mia, Emma, Hannah, Lena, Marie, Anna, Lea, Sophie, Emilia, Lina, Johanna, Clara, Charlotte, Luisa, Ida, "
        "Paula, Greta, Frieda, Pauline, Mathilda, Anna-Lena, Lisa-Marie, Käthe, Jördis, Bärbel, "
        "Änne, Friederike, Wiebke, "
        "Svenja, Antje, Zoë, Chloé, Renée, Sinje, Mareike, Ann-Kathrin, Eva-Maria, Rosa, Theresa, Franziska, Ronja, "
        "Amélie, Helene, Thea, Merle, Jule, Nele, Carlotta, Leonie, Katharina"
    ),
    _words(
        "Ben, Paul, Leon, Finn, Jonas, Elias, Felix, Lukas, Maximilian, Noah, Jakob, Emil, Anton, "
        "Moritz, Oskar, Theo, "
        "Karl, Johann, Konstantin, Jörg, Jürgen, Götz, Björn, Sönke, Malte, Torben, Karl-Heinz, Hans-Peter, Jan-Ole, "
        "Jann-Luca, Matthäus, André, René, Henri, Mats, Bo, Ferdinand, Valentin, Linus, Bruno, Till, Hannes, Lasse, "
        "Sören, Kai-Uwe, Ole, Frederik, Benedikt, Vinzenz, Ruben"
    ),
    _words(
        "Müller, Schmidt, Schneider, Fischer, Weber, Meyer, Wagner, Becker, Schulz, Hoffmann, Schäfer, Koch, Bauer, "
        "Richter, Klein, Wolf, Schröder, Neumann, Schwarz, Zimmermann, Braun, Krüger, Hofmann, Hartmann, Lange, "
        "Werner, Krause, Lehmann, Köhler, Maier, Meier, Mayer, König, Groß, Weiß, Strauß, Voß, "
        "Jäger, Vogel, Günther, Böhm, "
        "Frank, Möller, Mueller, Schulze, Preuß, Kühn, Pohl, Größmann, Süß, Ihßen, Kröger, Thöne, Büßing, "
        "von der Heide, von Bülow, von der Brelie, zu Hohenfels, von Weizenfeld, "
        "Freifrau von Rosen/Freiherr von Rosen, Müller-Lüdenscheid, Schmidt-Weiß, Groß-Börnstedt, "
        "Meyer zu Bentrup, Leutheusser-Schnarren, "
        "Sayn-Wittgenberg-Berleburg, Öztürk-Hansen, Ernst-August-Schönborn von und zu Hohenlohe-Waldenfürst"
    ),
)

TURKISH = Culture(
    11,
    _words(
        "Elif, Zeynep, Ayşe, Defne, Ecrin, Büşra, Şevval, Gülşen, Meryem, Azra, İpek, Özlem, Çağla, Nisa-Nur, Yağmur"
    ),
    _words(
        "Yusuf, Emir, Mustafa, Ömer, Can, Kerem, Çınar, Efe, Oğuzhan, Mehmet-Ali, Ümit, İsmail, Doğan, Barış, Şahin"
    ),
    _words(
        "Yılmaz, Kaya, Demir, Çelik, Şahin, Yıldız, Öztürk, Aydın, Arslan, Doğan, Kılıç, Özdemir, "
        "Koç, Kurt, Erdoğan, "
        "Güneş, Işık, Bozkurt, Çetinkaya, Ünal, Karadağ-Öz, Sarıoğlu"
    ),
)

POLISH = Culture(
    7,
    _words("Zuzanna, Julia, Maja, Oliwia, Małgorzata, Agnieszka, Łucja, Róża, Kinga, Wiktoria, Bożena, Anastazja"),
    _words(
        "Jakub, Kacper, Łukasz, Paweł, Michał, Stanisław, Wojciech, Mikołaj, Grzegorz, Krzysztof, Bartłomiej, Tomasz"
    ),
    _words(
        "Nowak, Kowalska/Kowalski, Wiśniewska/Wiśniewski, Wójcik, Lewandowska/Lewandowski, Zielińska/Zieliński, "
        "Woźniak, Dąbrowska/Dąbrowski, Kozłowska/Kozłowski, Mazur, Król, Łuczak, Szczęsna/Szczęsny, Gałązka, "
        "Źródłowska/Źródłowski, Brzęczyszczykiewicz"
    ),
)

ARABIC = Culture(
    8,
    _words("Fatima, Aisha, Nour, Layla, Mariam, Salma, Rania, Yasmin, Hala, Nur al-Huda, Sham, Jana, Amina"),
    _words(
        "Mohammed, Ahmad, Ali, Omar, Hassan, Ibrahim, Khaled, Abd al-Rahman, Hamza, Bilal, Zaid, Mohamad-Amin, Tarek"
    ),
    _words(
        "Al-Khatib, Haddad, Mansour, Hassan, Al Masri, El Amrani, Ben Youssef, Nasser, Khalil, Abu Bakr, Al-Sayed, "
        "Darwisch, Said, Ibrahim, Bin al-Haschimi, Al-Dschaburi, Saleh"
    ),
)

RUSSIAN = Culture(
    8,
    _words(
        "Anastasia, Sofia, Daria, Polina, Olena, Oksana, Kateryna, Alina, Nadja, Ljudmila, Solomija, Swetlana, Mar'jana"
    ),
    _words(
        "Maxim, Artem, Iwan, Dmytro, Oleksandr, Nikita, Jaroslaw, Bohdan, Wladimir, Danylo, Andrij, Lew, Wjatscheslaw"
    ),
    _words(
        "Iwanowa/Iwanow, Petrowa/Petrow, Schewtschenko, Bondarenko, Kowalenko, Smirnowa/Smirnow, Kusnezowa/Kusnezow, "
        "Tkatschenko, Melnyk, Wolkowa/Wolkow, Lysenko, Sokolowskaja/Sokolowskij, Schtscherbakowa/Schtscherbakow, "
        "Hryhor'jewa/Hryhor'jew"
    ),
)

ITALIAN = Culture(
    3,
    _words("Giulia, Chiara, Aurora, Martina, Alessia, Niccolina, Beatrice, Lucìa"),
    _words("Lorenzo, Matteo, Alessandro, Niccolò, Luca, Giuseppe, Pier Paolo, Raffaele"),
    _words("Rossi, Russo, Ferrari, Esposito, D'Angelo, Dell'Acqua, De Luca, Lo Presti, D'Amico, Degl'Innocenti"),
)

VIETNAMESE = Culture(
    2,
    _words("Thị Minh Anh, Linh, Thảo, Ngọc Mai, Phương, Hương, Thúy Vy"),
    _words("Minh, Đức, Tuấn Anh, Hoàng, Quốc Bảo, Văn Dũng, Khánh"),
    _words("Nguyễn, Trần, Lê, Phạm, Võ, Đặng, Bùi, Ngô"),
)

GREEK = Culture(
    2,
    _words("Eleni, Maria, Katerina, Despina, Zoë, Anastasía"),
    _words("Georgios, Dimitrios, Nikolaos, Konstantinos, Spyridon, Panagiotis"),
    _words("Papadopoulou/Papadopoulos, Georgiou, Nikolaidou/Nikolaidis, Papageorgiou, Karagianni/Karagiannis"),
)

OTHERS = Culture(
    1,
    _words("Siobhán, María José, Ana Sofía, Tuğçe-Marie, Beyoncé, Soumaya, Žofie, Ágnes, Ioana, X"),
    _words("Seán, José Luis, Þór, Nuño, Dušan, Ştefan, Balázs, Jiří, Li, O"),
    _words(
        "O'Connor, O'Neill, de la Cruz, Gonçalves da Silva, Núñez, van den Berg, Dvořáková/Dvořák, Jovanović, Ng, "
        "Ó Súilleabháin, Kovács, Popescu, Sørensen, Åkerström, Wu"
    ),
)

CULTURES = (GERMAN, TURKISH, POLISH, ARABIC, RUSSIAN, ITALIAN, VIETNAMESE, GREEK, OTHERS)

SUBJECTS = _words(
    "Mathematik, Deutsch, Englisch, Französisch, Latein, Geschichte, Physik, Chemie, Biologie, Musik, Kunst, Sport, "
    "Erdkunde, Informatik, Religion, Philosophie"
)
WORKING_GROUPS = _words(
    "Robotik, Schulband, Schach, Theater, Schülerzeitung, Rudern, Imkern, Chor, Orchester, Sanitätsdienst, Töpfern, "
    "Fußball, Roboter & Technik, Debattieren, Schulgarten, Französisches Café, Astronomie, 3D-Druck"
)
SCHOOLS = _words(
    "Goethe-Gymnasium Neustadt, Sophie-Scholl-Gesamtschule Altwörth, Käthe-Kollwitz-Schule Großenhain, "
    "Albert-Schweitzer-Gymnasium Lüttringen, Geschwister-Weiß-Realschule Bad Mühlental"
)
