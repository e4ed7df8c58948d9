function unfinished(a, b {
  if (a > b {
    return a +
}

class {
  method() { return 1 }

const fine = () => { return 42 };

function alsoFine(x) {
  return x * 2;
}
}}}} ))) "unterminated
