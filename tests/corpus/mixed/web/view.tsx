import React from 'react';

export function CartBadge({ count }: { count: number }) {
  return <span className="badge">{count > 99 ? '99+' : count}</span>;
}

export const EmptyCart = () => <p>Nothing here yet 🛒</p>;
