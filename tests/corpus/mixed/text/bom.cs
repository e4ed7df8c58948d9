namespace Shop;

public class Basket
{
    public int Count { get; set; }

    public void Clear()
    {
        Count = 0;
    }
}
