#!/usr/bin/env python3
"""varlink_syntax.py [FILE...] - is this (client/io.comlease.varlink) a valid Varlink interface? TAP.

The grammar is that of https://varlink.org/Interface-Definition. Beyond it: every type that is named
exists, no name is given twice, and a comment stands before the interface and each of its members.
"""
import pathlib
import re
import sys

TOKEN = re.compile(r'#.*|->|\[string\]|\[\]|[?():,]|\n|[ \t\r]+|[A-Za-z_][A-Za-z0-9_.-]*')
INTERFACE = re.compile(r'[A-Za-z](-*[A-Za-z0-9])*(\.[A-Za-z0-9](-*[A-Za-z0-9])*)+')
TYPE, FIELD = re.compile(r'[A-Z][A-Za-z0-9]*'), re.compile(r'[A-Za-z](_?[A-Za-z0-9])*')
BUILT_IN = ('bool', 'int', 'float', 'string', 'object')


class Parser:
    def __init__(self, text):
        self.tokens, self.at, self.line = [], 0, 0
        self.types, self.used, self.members, self.fields = set(), [], {}, {}
        at, line, comment, empty = 0, 1, False, True
        while at < len(text):
            match = TOKEN.match(text, at)
            if not match:
                raise SyntaxError(f'line {line}: unexpected {text[at]!r}')
            token, at = match.group(), match.end()
            if token == '\n':
                comment, line, empty = comment and not empty, line + 1, True
            elif token[0] == '#':
                comment, empty = True, False
            elif token[0] not in ' \t\r':
                self.tokens.append((token, line, comment))
                comment, empty = False, False
        self.tokens.append(('', line, False))

    def fail(self, what):
        raise SyntaxError(f'line {self.tokens[self.at][1]}: {what}')

    def peek(self):
        return self.tokens[self.at][0]

    def take(self, wanted):
        """The next token: this very one, or one that the pattern matches."""
        token = self.peek()
        if token != wanted if isinstance(wanted, str) else not wanted.fullmatch(token):
            self.fail(f'{token!r} where {getattr(wanted, "pattern", wanted)!r} should be')
        self.at += 1
        return token

    def type(self, optional=True):
        token = self.peek()
        if token in ('?', '[]', '[string]'):
            if token == '?' and not optional:
                self.fail('a maybe of a maybe')
            self.at += 1
            self.type(token != '?')
        elif token == '(':
            self.struct(True)
        elif token in BUILT_IN:
            self.at += 1
        else:
            self.used.append((self.tokens[self.at][1], self.take(TYPE)))

    def struct(self, may_be_enum):
        """(name: type, ...); or (name, ...), which is an enumeration."""
        names, kinds = [], set()
        self.take('(')
        while self.peek() != ')':
            if names:
                self.take(',')
            names.append(self.take(FIELD))
            kinds.add(self.peek() == ':')
            if self.peek() == ':':
                self.at += 1
                self.type()
        self.take(')')
        if len(set(names)) < len(names):
            self.fail('a field is given twice')
        if kinds == {True, False} or (kinds == {False} and not may_be_enum):
            self.fail('a field without a type')

    def commented(self):
        if not self.tokens[self.at][2]:
            self.fail('a comment has to precede this')

    def interface(self):
        self.commented()
        self.take('interface')
        name = self.take(INTERFACE)
        while self.peek():
            self.commented()
            keyword = self.take(re.compile('type|method|error'))
            member = self.take(TYPE)
            if member in self.members:
                self.fail(f'{member} is already a {self.members[member]}')
            self.members[member] = keyword
            self.struct(keyword == 'type')
            if keyword == 'method':
                self.take('->')
                self.struct(False)
        for line, used in self.used:
            if self.members.get(used) != 'type':
                raise SyntaxError(f'line {line}: there is no type {used}')
        if 'method' not in self.members.values():
            self.fail('no method')
        return name


def check(text):
    """None, or what is wrong."""
    try:
        Parser(text).interface()
    except SyntaxError as error:
        return str(error)


HEAD = '# c\ninterface a.b\n\n# c\nmethod M() -> ()\n'
GOOD = ('', '# c\ntype T (a: (x, y), b: ?[]T, c: [string]?int, d: (e: object))\n', '# c\ntype E (a, b)\n')
BAD = ('method N() -> ()\n', '# c\ntype T (a: U)\n', '# c\ntype T (a: M)\n', '# c\ntype T (a: int,)\n',
       '# c\ntype T (a: int b: int)\n', '# c\ntype T (a: int, b)\n', '# c\ntype T (a: int, a: int)\n',
       '# c\ntype T (a: ??int)\n', '# c\ntype t (a: int)\n', '# c\ntype T (1a: int)\n',
       '# c\ntype T (a__b: int)\n', '# c\ntype M (a: int)\n', '# c\nmethod N(a: int)\n',
       '# c\nmethod N(a, b) -> ()\n', '# c\nerror E (a)\n', '# c\nerror E (a: int\n', '# c\nfoo E ()\n',
       '# c\ntype T (a: int) -> ()\n', '# c\ntype T (a: [int]string)\n', '# c\ntype T (a: i$nt)\n',
       '# c\n\nerror E ()\n', '# c\ninterface c.d\n')


def main():
    ours = pathlib.Path(__file__).parent.parent / 'client' / 'io.comlease.varlink'
    files = [pathlib.Path(name) for name in sys.argv[1:]] or [ours]
    results = [(f'{file.name} is valid Varlink', check(file.read_text('ascii'))) for file in files]
    results += [(f'this checker takes {text!r}', check(HEAD + text)) for text in GOOD]
    results += [(f'this checker refuses {text!r}', None if check(HEAD + text) else 'taken')
                for text in BAD]
    results.append(('this checker wants an interface', None if check('# c\ninterface a\n') else 'taken'))
    for number, (what, wrong) in enumerate(results, 1):
        print(f'{"not ok" if wrong else "ok"} {number} - {what}' + (f': {wrong}' if wrong else ''))
    print(f'1..{len(results)}')
    return any(wrong for what, wrong in results)


if __name__ == '__main__':
    sys.exit(main())
