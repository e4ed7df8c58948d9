#!/bin/sh
make_backup() {
  cp -r "$1" "$1.bak"
}

make_backup "$HOME/notes"
