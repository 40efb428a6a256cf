"""Invented athletes: the same ones every time, plausible enough to show every list, filter and chart."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random
from typing import Any, Final, NamedTuple


class _Nation(NamedTuple):
    code: str
    women: tuple[str, ...]
    men: tuple[str, ...]
    families: tuple[str, ...]
    clubs: tuple[str, ...]


class _Sport(NamedTuple):
    name: str
    positions: tuple[str, ...]
    women_cm: int
    men_cm: int


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(","))


_NATIONS: Final = (
    _Nation(
        "FRA",
        _words(
            "Camille, Léa, Manon, Chloé, Inès, Sarah, Jade, Zoé, Maëlys, Anaïs, Élise, Margaux, Clara, Noémie"
        ),
        _words(
            "Hugo, Lucas, Nathan, Théo, Enzo, Louis, Jules, Rayan, Maxime, Clément, Antoine, Étienne, Kévin, Loïc"
        ),
        _words(
            "Martin, Bernard, Dubois, Moreau, Laurent, Girard, Lefèvre, Roux, Fournier, Mercier, Le Gall, Da Silva, Benoît, Chevalier,"
            " Garnier, Perrin, Caron, N'Diaye, Lemaître, de La Fontaine"
        ),
        _words(
            "Racing Club de Dax, AS Bellevue, Stade Lorientais, Olympique du Rhône, Entente Val-d'Oise"
        ),
    ),
    _Nation(
        "TUN",
        _words("Amira, Sirine, Yasmine, Nour, Rania, Mariem, Salma, Hiba, Olfa, Emna"),
        _words("Youssef, Aymen, Karim, Seif, Hamza, Mehdi, Wajdi, Oussama, Anis, Bilel"),
        _words(
            "Trabelsi, Ben Salah, Gharbi, Jaziri, Mejri, Chebbi, Ayari, Haddad, Ben Youssef, Khelifi, Bouazizi, Mansouri"
        ),
        _words("Club Carthage, Étoile de Sfax, Espoir de Bizerte, Union Monastir"),
    ),
    _Nation(
        "ESP",
        _words("Lucía, Carmen, Paula, Nerea, Aitana, Irene, Marta, Alba"),
        _words("Álvaro, Sergio, Iker, Pablo, Adrián, Rubén, Íñigo, Marcos"),
        _words(
            "García López, Fernández, Muñoz, Ibáñez, Núñez Vega, Serrano, Castaño, Ortega, Peña Ruiz"
        ),
        _words("Club Deportivo Aranda, Unión Costa Sur, Atlético Segura"),
    ),
    _Nation(
        "DEU",
        _words("Lena, Hannah, Mia, Johanna, Svenja, Käthe, Greta"),
        _words("Lukas, Jonas, Felix, Jürgen, Matthias, Till, Sönke"),
        _words("Schäfer, Müller, Weiß, Krüger, Hoffmann, Jäger, von Bergen, Köhler"),
        _words("TSV Altendorf, SC Nordheide, Turnverein Sieg"),
    ),
    _Nation(
        "SEN",
        _words("Awa, Fatou, Mariama, Aïssatou, Ndeye, Khady"),
        _words("Mamadou, Cheikh, Ousmane, Ibrahima, Moussa, Abdou"),
        _words("Diop, Ndiaye, Fall, Sarr, Gueye, Ba, Cissé, Mbaye"),
        _words("Jaraaf du Fleuve, AS Teranga, Linguère Sport"),
    ),
    _Nation(
        "BRA",
        _words("Ana Clara, Beatriz, Larissa, Thaís, Júlia, Letícia"),
        _words("João Pedro, Caio, Thiago, Matheus, Vinícius, Rafael"),
        _words("dos Santos, Oliveira, Souza Lima, Conceição, Araújo, Gonçalves, da Rocha"),
        _words("Grêmio da Serra, Náutico Azul, Clube do Vale"),
    ),
    _Nation(
        "JPN",
        _words("Haruka, Yui, Sakura, Misaki, Aoi"),
        _words("Haruto, Sota, Riku, Kenji, Daiki"),
        _words("Sato, Suzuki, Takahashi, Watanabe, Yamamoto, Kobayashi, Nakamura"),
        _words("Aozora Club, Kita FC, Minato Sports"),
    ),
    _Nation(
        "USA",
        _words("Madison, Hailey, Jasmine, Brooke, Naomi, Skylar"),
        _words("Tyler, Jordan, Marcus, Ethan, Caleb, Darius"),
        _words("Johnson, Williams, O'Connor, Rodriguez, Nguyen, Carter, Brooks, Van Horn"),
        _words("Riverside Athletics, Lakeshore Club, Copper State"),
    ),
)
_SPORTS: Final = (
    _Sport("Football", _words("Goalkeeper, Defender, Midfielder, Forward"), 168, 180),
    _Sport("Tennis", (), 172, 185),
    _Sport(
        "Basketball",
        _words("Point guard, Shooting guard, Small forward, Power forward, Center"),
        183,
        199,
    ),
    _Sport("Handball", _words("Goalkeeper, Left wing, Right wing, Pivot, Playmaker"), 174, 188),
    _Sport("Swimming", (), 174, 187),
    _Sport("Athletics", (), 169, 181),
    _Sport("Judo", (), 165, 177),
    _Sport(
        "Rugby",
        _words("Prop, Hooker, Lock, Flanker, Scrum-half, Fly-half, Wing, Full-back"),
        170,
        186,
    ),
    _Sport("Fencing", (), 171, 184),
    _Sport("Volleyball", _words("Setter, Libero, Outside hitter, Middle blocker"), 182, 197),
)
_FIRST_BIRTH: Final = date(1990, 1, 1)
_LAST_BIRTH: Final = date(2011, 12, 31)
_ADULT_BEFORE: Final = date(2008, 1, 1)


def invented_athletes(count: int, seed: int = 2026) -> list[dict[str, Any]]:
    """*count* athletes as an integration would send them, each with a licence of the scheme ``demo``.

    The first ones are the same for every *count*, so a later, longer list brings only the rest.
    """
    random = Random(seed)  # noqa: S311 - invents people, keeps no secret
    return [_athlete(random, number) for number in range(1, count + 1)]


def _athlete(random: Random, number: int) -> dict[str, Any]:
    nation = _NATIONS[min(int(random.expovariate(0.45)), len(_NATIONS) - 1)]
    sport = _SPORTS[min(int(random.expovariate(0.3)), len(_SPORTS) - 1)]
    woman = random.random() < 0.48
    born = _FIRST_BIRTH + timedelta(days=random.randrange((_LAST_BIRTH - _FIRST_BIRTH).days))
    exactness = random.random()
    height = random.gauss(sport.women_cm if woman else sport.men_cm, 6)
    family = random.choice(nation.families)
    other = random.choice(nation.families)
    if random.random() < 0.12 and other != family:
        family = f"{family}-{other}"
    ranked, public, place = random.random() < 0.7, random.random(), random.random()
    position = random.choice(sport.positions) if sport.positions else None
    club = random.choice(nation.clubs)
    rank = 1 + int(random.paretovariate(0.9) * 4) % 1500
    weight = round(max(44.0, (height - 100) * random.uniform(0.84, 1.02)), 1)
    followers = int(random.lognormvariate(7, 1.6))
    return {
        "first_name": random.choice(nation.women if woman else nation.men),
        "last_name": family,
        "sex": "F" if woman else "M",
        "birth_date": born.isoformat()
        if exactness > 0.06
        else born.isoformat()[: 7 if exactness > 0.03 else 4],
        "nationality": nation.code,
        "sport": sport.name,
        "ranking": rank if ranked else None,
        "position": position,
        "club": club if place > 0.1 else None,
        "height_cm": round(height),
        "weight_kg": weight,
        "visibility": "public_free"
        if public > 0.6 and born < _ADULT_BEFORE
        else "public_premium"
        if public > 0.45 and born < _ADULT_BEFORE
        else "recruiter_only",
        "external_ids": [{"scheme": "demo", "value": f"DEMO-{number:06d}"}],
        "attributes": {"followers": followers},
    }
