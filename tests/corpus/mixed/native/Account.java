package bank;

import java.util.List;

/** Holds money. */
public class Account {
    private long cents;

    public Account(long cents) {
        this.cents = cents;
    }

    @Override
    public String toString() {
        return String.format("%d.%02d", cents / 100, cents % 100);
    }

    interface Listener {
        void onChange(long cents);
    }

    enum Kind { CHECKING, SAVINGS }
}
