export interface LineItem {
  name: string;
  cents: number;
}

export class Cart {
  private items: LineItem[] = [];

  add(item: LineItem): void {
    this.items.push(item);
  }

  total(): number {
    return this.items.reduce((sum, item) => sum + item.cents, 0);
  }
}

export const formatCents = (cents: number): string => {
  return `${(cents / 100).toFixed(2)} €`;
};
