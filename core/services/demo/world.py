"""Who pays what to whom, and how it ends: the tables of the demonstration. Shares, prices and answer times are illustrative; no biller publishes them."""

import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from random import Random

# ---- Customers

# fmt: off
FIRST_NAMES = (
    "Alinafe", "Atupele", "Blessings", "Chifundo", "Chikondi", "Chimwemwe", "Chisomo", "Dalitso", "Esnart", "Fatsani", "Grace", "Kondwani", "Limbani",
    "Lusungu", "Madalitso", "Mayamiko", "Mphatso", "Pemphero", "Tadala", "Takondwa", "Tawonga", "Thandiwe", "Thokozani", "Tiwonge", "Upile", "Wezi",
    "Yamikani", "Zione",
)
LAST_NAMES = (
    "Banda", "Chimwala", "Chirwa", "Chisale", "Gondwe", "Jere", "Kachale", "Kaliati", "Kamanga", "Kapalamula", "Kumwenda", "Maseko", "Mbewe", "Mhango",
    "Mkandawire", "Msiska", "Munthali", "Mwale", "Mwenifumbo", "Ngwira", "Nkhoma", "Nyirenda", "Phiri", "Soko", "Tembo", "Zimba",
)
# fmt: on

# A prime that no round number of accounts shares a factor with: it scatters ranks over all numbers and never gives one twice.
SCATTER = 7_368_787

# How many of a biller's accounts pay: of three payments, one is an account's first.
PAYMENTS_PER_ACCOUNT = 3
FEWEST_ACCOUNTS = 40

# Zipf's law, flattened at its top: the busiest account is a school that pays every day, not a tenth of the city.
FLATTENED_BY = 25

# In a large demonstration one account is a city council's: it pays for every tap, at one biller, so many times in the year and no more than a twentieth of all.
COUNCIL_OF = "LWB_POSTPAID"
COUNCIL_ROWS = 50_000
COUNCIL_SHARE = 0.05

# The busiest customers of a biller, who need not be made up again each time.
KNOWN_BY_HEART = 50_000


@dataclass(frozen=True, slots=True)
class Customer:
    """Whoever an account belongs to. Number, name and what is owed are those that the sandbox tells of the same number. `owed` is in tambala."""

    number: str
    name: str
    owed: int


def customer(number: str) -> Customer:
    seed = zlib.crc32(number.encode())
    name = f"{FIRST_NAMES[seed % len(FIRST_NAMES)]} {LAST_NAMES[seed // len(FIRST_NAMES) % len(LAST_NAMES)]}"
    return Customer(number, name, 500_000 + seed % 1_500_000)


class Crowd:
    """A biller's customers, the busiest first. Each is made up when somebody asks for them: millions of them take no memory.

    Numbers that are `taken` are somebody else's; whoever would have had one has another, beyond all others.
    """

    def __init__(self, number: Callable[[int], str], payments: float, taken: Collection[str]) -> None:
        self._number, self._taken = number, taken
        self._size = max(FEWEST_ACCOUNTS, round(payments / PAYMENTS_PER_ACCOUNT))
        self.at = lru_cache(maxsize=KNOWN_BY_HEART)(self._at)

    def __len__(self) -> int:
        return self._size

    def _at(self, rank: int) -> Customer:
        number = self._number(rank)
        while number in self._taken:
            rank += self._size
            number = self._number(rank)
        return customer(number)


def busy_one(random: Random, among: Crowd) -> Customer:
    """A customer by Zipf's law: the higher in the list, the more often."""
    flat, count = FLATTENED_BY, len(among)
    return among.at(min(int(flat * ((count + flat) / flat) ** random.random()) - flat, count - 1))


def _digits(prefix: str, count: int, start: int = 0) -> Callable[[int], str]:
    """Numbers of a prefix and `count` digits more; another `start` gives others."""
    return lambda rank: f"{prefix}{(rank + start) * SCATTER % 10**count:0{count}}"


def _application() -> Callable[[int], str]:
    """Numbers whose last digit says what is registered, as `_fee` reads it: of five, three searches of a name and one company."""
    digits = _digits("7", 6)
    return lambda rank: digits(rank) + "14723"[rank % 5]


def _meter(prefix: str, count: int) -> Callable[[int], str]:
    """The same with a check digit at the end, as meters have."""
    digits = _digits(prefix, count)

    def number(rank: int) -> str:
        body = digits(rank)
        doubled = (int(digit) * (2 - place % 2) for place, digit in enumerate(reversed(body)))
        return body + str(-sum(value - 9 if value > 9 else value for value in doubled) % 10)

    return number


# ---- Prices, in tambala


@dataclass(frozen=True, slots=True)
class Price:
    tambala: int
    bundle: str | None = None


Pricing = Callable[[Random, Customer], Price]


def _bill(least: int, most: int) -> Pricing:
    """What is owed, to the tambala, or a round part of it. Between `least` and `most` kwacha; now and then an institution's bill."""

    def price(random: Random, customer: Customer) -> Price:
        # What is owed lies between 5,000 and 20,000; the same place between this biller's least and most.
        owed = least * 100 + (customer.owed - 500_000) * (most - least) // 15_000
        chance = random.random()
        if chance < 0.006:
            return Price(owed * random.randint(5, 11))
        if chance < 0.35:
            return Price(max(owed // 50_000, 1) * 50_000)
        return Price(owed + random.randrange(-owed // 5, owed // 5))

    return price


def _one_of(**weights: int) -> Pricing:
    """Round amounts, in kwacha: `_one_of(k1000=60, k5000=40)`."""
    amounts, shares = [int(name[1:]) * 100 for name in weights], list(weights.values())
    return lambda random, _customer: Price(random.choices(amounts, shares)[0])


FEES = (1_000, 10_000, 50_000)


def _fee(_random: Random, customer: Customer) -> Price:
    """A search of a name, its reservation, a company: by the application's last digit, as the sandbox has it."""
    return Price(FEES[(int(customer.number[-1]) - 1) % len(FEES)] * 100)


def _bundle(*offered: tuple[str, int, int]) -> Pricing:
    """Bundles: id, price in kwacha, how often."""
    prices, shares = [Price(kwacha * 100, bundle) for bundle, kwacha, _ in offered], [often for *_, often in offered]
    return lambda random, _customer: random.choices(prices, shares)[0]


# ---- Billers

# A code and a sentence.
Said = tuple[str, str]

SOAP_REFUSALS: Sequence[Said] = (
    ("ACCOUNT_NOT_FOUND", "There is no account with this number."),
    ("ACCOUNT_BLOCKED", "This account is blocked. The customer has to come to the office."),
    ("LIMIT_EXCEEDED", "The amount is above what this account may pay in one day."),
    ("INVALID_AMOUNT", "The amount is below the least that is accepted."),
)
INVOICE_REFUSALS: Sequence[Said] = (
    ("INVOICE_EXPIRED", "The invoice has expired. Ask for a new one."),
    ("INVOICE_PAID", "The invoice was paid before."),
    ("ACCOUNT_BLOCKED", "This meter is blocked. The customer has to come to the office."),
)
ESB_REFUSALS: Sequence[Said] = (
    ("rejected", "The payment was rejected by the receiving institution."),
    ("invalid-account", "The account does not exist or is closed."),
    ("amount-not-allowed", "This amount is not one that can be paid."),
)
TNM_REFUSALS: Sequence[Said] = (
    ("12", "An exclusive bundle is active on this number."),
    ("10", "The number is not a TNM prepaid number."),
    ("13", "The amount does not match the bundle's price."),
)


@dataclass(frozen=True, slots=True)
class Trade:
    """One biller's business: its share of all who come, its accounts and prices, how quickly it answers and how often it refuses.

    `trouble` is how much more (or less) often than on average a payment does not go through.
    """

    share: float
    number: Callable[[int], str]
    price: Pricing
    answer_ms: int
    trouble: float
    mark: str
    refusals: Sequence[Said]
    # What it says of a question it cannot answer.
    unknown: Said = ("ACCOUNT_NOT_FOUND", "There is no account with this number.")
    # What it says of what it has, and of what it will decide on later.
    yes: Said = ("SUCCESS", "Thank you")
    later: Said = ("PENDING", "Received. It will be posted shortly.")
    account_types: Mapping[str, int] = field(default_factory=dict)
    tells_name: bool = True
    sells_token: bool = False


TRADES: Mapping[str, Trade] = {
    "BWB_POSTPAID": Trade(0.24, _digits("7", 7, start=100_000), _bill(5_000, 20_000), 640, 0.6, "BWB", SOAP_REFUSALS),
    "LWB_POSTPAID": Trade(0.22, _digits("7", 7), _bill(3_000, 35_000), 900, 0.9, "LWB", SOAP_REFUSALS),
    "SRWB_PREPAID": Trade(
        share=0.15,
        number=_meter("37", 8),
        price=_one_of(k1000=18, k2000=24, k3000=9, k5000=30, k10000=14, k20000=5),
        answer_ms=1_350,
        # The one below the target of 95 %: whoever looks for trouble shall find some.
        trouble=2.1,
        mark="SRWB",
        refusals=INVOICE_REFUSALS,
        sells_token=True,
    ),
    "TNM_BUNDLES": Trade(
        share=0.13,
        number=_digits("088", 7),
        price=_bundle(("D1", 350, 38), ("D7", 2_500, 24), ("D30", 9_900, 9), ("SOCIAL7", 1_200, 18), ("NIGHT", 600, 9), ("MEGA30", 25_000, 2)),
        answer_ms=380,
        trouble=1.3,
        mark="TNM",
        refusals=TNM_REFUSALS,
        yes=("0", "Success"),
        unknown=("10", "The number is not a TNM prepaid number."),
        tells_name=False,
    ),
    "SRWB_POSTPAID": Trade(0.11, _digits("7", 7, start=200_000), _bill(4_000, 18_000), 1_200, 1.1, "SRWB", SOAP_REFUSALS),
    "MASM": Trade(
        share=0.07,
        number=_digits("7", 7, start=300_000),
        price=_one_of(k18500=20, k27000=30, k36500=25, k54000=17, k98000=8),
        answer_ms=450,
        trouble=0.6,
        mark="MASM",
        refusals=ESB_REFUSALS,
        yes=("success", "Posted"),
        later=("received", "Received. It will be posted shortly."),
        unknown=("invalid-account", "The account does not exist or is closed."),
        account_types={"MEMBER": 70, "GROUP": 18, "M": 12},
    ),
    "REGISTER_GENERAL": Trade(
        share=0.04,
        number=_application(),
        price=_fee,
        answer_ms=720,
        trouble=0.7,
        mark="RG",
        refusals=(*ESB_REFUSALS[:1], ("invoice-paid", "The invoice was paid before.")),
        yes=("success", "Posted"),
        later=("received", "Received. It will be posted shortly."),
        unknown=("invalid-account", "There is no invoice under this number."),
    ),
    "AIRTEL_VALIDATION": Trade(
        share=0.04,
        number=_digits("099", 7),
        price=_one_of(k1000=1),
        answer_ms=290,
        trouble=1.0,
        mark="AIR",
        refusals=(),
        unknown=("not-found", "This number does not exist."),
    ),
}

# ---- How it ends

# Of a hundred payments. What the biller refuses and what cannot be sent is multiplied by the biller's `trouble`.
CONFIRMED_AFTER_DOUBT = 0.010
CONFIRMED_LATER = 0.006
REFUSED = 0.024
EXPIRED = 0.004
CANCELLED = 0.008
REVERSED = 0.006

# How many ask first: for an account's name, an invoice, the bundles on offer.
ASKS_FIRST = 0.34
# Of those who ask, how many learn that there is no such account, and pay nothing.
NOT_FOUND = 0.035

# Answers: log-normal around the biller's median, now and then far slower.
SPREAD = 0.55
SLOW, SLOWER_BY = 0.015, 9.0

# What prepaid money buys, as the sandbox sells it: so much of a hundred is the biller's charges, and so many tambala a cubic metre.
CHARGES_PERCENT = 5
TAMBALA_OF_UNIT = 35_000

# Evidence (what was said, word by word) is kept of so many transactions; of all of them it would be most of the database.
WITH_PAYLOAD = 0.01


@dataclass(frozen=True, slots=True)
class BadAfternoon:
    """A biller that could hardly be reached: business hours `since` to `until`, so many days ago."""

    biller: str
    days_ago: int
    since: int
    until: int


BAD_AFTERNOONS = (
    BadAfternoon("SRWB_PREPAID", 9, 13, 17),
    BadAfternoon("TNM_BUNDLES", 23, 9, 12),
    BadAfternoon("LWB_POSTPAID", 44, 14, 17),
    BadAfternoon("BWB_POSTPAID", 131, 10, 13),
    BadAfternoon("SRWB_PREPAID", 247, 8, 16),
)
LOST_IN_A_BAD_AFTERNOON = 0.4
SLOWER_IN_A_BAD_AFTERNOON = 5.0
