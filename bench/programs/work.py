"""A fixed piece of work for python3: dictionaries, lists, strings and JSON, with lifetimes of all lengths."""

import json
import random

random.seed(1)
WORDS = ["".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=random.randint(2, 14))) for _ in range(5000)]


class Account:
    def __init__(self, number):
        self.number = number
        self.name = " ".join(random.choices(WORDS, k=3))
        self.tags = {word: len(word) for word in random.choices(WORDS, k=4)}
        self.history = []


def index_text(lines):
    index = {}
    for number, line in enumerate(lines):
        for word in line.split():
            index.setdefault(word, []).append((number, line.find(word)))
    return index


def documents(count):
    for number in range(count):
        document = {"id": number, "words": random.choices(WORDS, k=20),
                    "nested": [{"key": word, "value": [1.5 * number, word.upper()]} for word in random.choices(WORDS, k=10)]}
        yield json.loads(json.dumps(document))


def serve(accounts, requests):
    for _ in range(requests):
        account = accounts[random.randrange(len(accounts))]
        account.history.append({"what": random.choice(WORDS), "text": f"{account.name}: {random.random()}"})
        if len(account.history) > 10:
            account.history = account.history[5:]


def main():
    lines = [" ".join(random.choices(WORDS, k=12)) for _ in range(20000)]
    index = index_text(lines)
    ranking = sorted(index.items(), key=lambda item: (-len(item[1]), item[0]))
    kept = [document for document in documents(12000) if document["id"] % 10 == 0]
    accounts = [Account(number) for number in range(20000)]
    serve(accounts, 300000)
    text = "\n".join(lines).replace("a", "bb").split("\n")
    print(len(ranking), len(kept), len(accounts), len(text))


main()
