namespace Microsoft.ML.Hdrq.Merging;

internal sealed class BalancedMergeRounding(double balance = 1, double fairness = 1) : MergeRounding
{
    private const int MaxPasses = 4;
    private const double LeastGain = 1e-9;

    internal override int[] Round(MergedWeight weight, int layer)
    {
        var rounded = weight.Nearest();
        var size = weight.Count / Math.Max(1, weight.Channels);
        for (var channel = 0; channel < weight.Channels; channel++)
            Balance(weight, rounded, channel * size, size);
        return rounded;
    }

    private void Balance(MergedWeight weight, int[] rounded, int start, int count)
    {
        var leans = new double[weight.Integers.Length];
        var sum = 0.0;
        for (var i = start; i < start + count; i++)
        {
            if (!weight.IsAmbiguous[i])
                Add(i, rounded[i] - weight.Means[i]);
        }
        var order = Enumerable.Range(start, count).Where(i => weight.IsAmbiguous[i]).OrderByDescending(Disagreement).ThenByDescending(i => Math.Abs(rounded[i] - weight.Means[i])).ToArray();
        var changed = true;
        for (var pass = 0; pass < MaxPasses && changed; pass++)
        {
            changed = false;
            foreach (var i in order)
            {
                var error = rounded[i] - weight.Means[i];
                if (pass > 0)
                    Add(i, -error);
                var step = error > 0 ? -1 : 1;
                if (weight.CanBe(rounded[i] + step) && Cost(i, error + step) < Cost(i, error) - LeastGain)
                {
                    rounded[i] += step;
                    error += step;
                    changed = true;
                }
                Add(i, error);
            }
            changed |= pass == 0;
        }

        double Disagreement(int i)
        {
            var total = 0.0;
            for (var d = 0; d < leans.Length; d++)
                total += weight.Lambdas[d] * Math.Abs(weight.Value(d, i) - weight.Means[i]);
            return total;
        }

        void Add(int i, double error)
        {
            sum += error;
            for (var d = 0; d < leans.Length; d++)
                leans[d] += error * (weight.Value(d, i) - weight.Means[i]);
        }

        double Cost(int i, double error)
        {
            var cost = (error * error) + (balance * (sum + error) * (sum + error));
            for (var d = 0; d < leans.Length; d++)
            {
                var lean = leans[d] + (error * (weight.Value(d, i) - weight.Means[i]));
                cost += fairness * weight.Lambdas[d] * lean * lean;
            }
            return cost;
        }
    }
}
