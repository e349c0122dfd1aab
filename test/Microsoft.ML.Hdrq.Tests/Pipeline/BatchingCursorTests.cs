using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Pipeline;

namespace Microsoft.ML.Hdrq.Tests.Pipeline;

[TestClass]
public sealed class BatchingCursorTests
{
    private const int BatchSize = 4;

    private static readonly MLContext _ml = new(1);

    [TestMethod]
    public void WithoutScoresNothingIsReadAheadOrAskedFor()
    {
        using var fixture = new Fixture(10);
        var scored = fixture.Transformer.Transform(fixture.Data);
        using (var cursor = scored.GetRowCursor([scored.Schema["Number"]]))
        {
            var number = cursor.GetGetter<int>(cursor.Schema["Number"]);
            var value = -1;
            for (var row = 0; cursor.MoveNext(); row++)
            {
                number(ref value);
                Assert.AreEqual(row, value);
                Assert.AreEqual(row + 1, fixture.Data.Rows);
            }
        }
        Assert.AreEqual(10, fixture.Data.Rows);
        Assert.AreEqual(0, fixture.Data.Values);
        CollectionAssert.AreEqual(new[] { "Number" }, fixture.Data.Asked);
        Assert.AreEqual(0, fixture.Data.OpenCursors);
    }

    [TestMethod]
    public void ReadsAheadOnlyWhenARowIsAskedForItsScores()
    {
        using var fixture = new Fixture(10);
        var scored = fixture.Transformer.Transform(fixture.Data);
        Assert.AreEqual(0, fixture.Data.Rows);
        using var cursor = scored.GetRowCursor([scored.Schema["Score"], scored.Schema["Number"]]);
        var (score, number) = (cursor.GetGetter<VBuffer<float>>(cursor.Schema["Score"]),
            cursor.GetGetter<int>(cursor.Schema["Number"]));
        VBuffer<float> scores = default;
        var value = 0;

        Assert.IsTrue(cursor.MoveNext() && cursor.MoveNext());
        Assert.AreEqual(2, fixture.Data.Rows);
        Assert.AreEqual(0, fixture.Data.Values);
        score(ref scores);
        Assert.AreEqual(1 + BatchSize, fixture.Data.Rows);
        Assert.AreEqual(BatchSize, fixture.Data.Values);
        score(ref scores);
        number(ref value);
        Assert.AreEqual(1, value);
        Assert.AreEqual(1, cursor.Position);
        for (var row = 2; row < 1 + BatchSize; row++)
        {
            Assert.IsTrue(cursor.MoveNext());
            score(ref scores);
            number(ref value);
            Assert.AreEqual(row, value);
            Assert.AreEqual(row, cursor.Position);
        }
        Assert.AreEqual(1 + BatchSize, fixture.Data.Rows);
        Assert.AreEqual(BatchSize, fixture.Data.Values);
        Assert.IsTrue(cursor.MoveNext());
        Assert.AreEqual(2 + BatchSize, fixture.Data.Rows);
        Assert.AreEqual(BatchSize, fixture.Data.Values);
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(3)]
    [DataRow(4)]
    [DataRow(32)]
    public void OtherColumnsStayWithTheirRows(int batchSize)
    {
        using var fixture = new Fixture(11, batchSize);
        var scored = fixture.Transformer.Transform(fixture.Data);
        // The scores of every second row only, so that rows read ahead and others take turns.
        using var cursor = scored.GetRowCursor(scored.Schema);
        var schema = cursor.Schema;
        var (score, pixels, extra) =
            (cursor.GetGetter<VBuffer<float>>(schema["Score"]), cursor.GetGetter<VBuffer<float>>(schema["Pixels"]),
            cursor.GetGetter<VBuffer<float>>(schema["Extra"]));
        var (name, number, label, id) =
            (cursor.GetGetter<ReadOnlyMemory<char>>(schema["Name"]), cursor.GetGetter<int>(schema["Number"]),
            cursor.GetGetter<uint>(schema["PredictedLabel"]), cursor.GetIdGetter());
        var rows = 0;
        for (; cursor.MoveNext(); rows++)
        {
            var expected = fixture.Rows[rows];
            if (rows % 2 == 1)
            {
                VBuffer<float> scores = default;
                score(ref scores);
                Images.AssertClose([fixture.Expected[rows]], [[.. scores.DenseValues()]], 1e-4f);
                uint best = 0;
                label(ref best);
                Assert.AreEqual((uint)Array.IndexOf(fixture.Expected[rows], fixture.Expected[rows].Max()) + 1, best);
            }
            VBuffer<float> vector = default;
            pixels(ref vector);
            CollectionAssert.AreEqual(expected.Pixels, vector.DenseValues().ToArray());
            extra(ref vector);
            CollectionAssert.AreEqual(expected.Extra, vector.DenseValues().ToArray());
            ReadOnlyMemory<char> text = default;
            name(ref text);
            Assert.AreEqual(expected.Name, text.ToString());
            var value = -1;
            number(ref value);
            Assert.AreEqual(rows, value);
            DataViewRowId rowId = default;
            id(ref rowId);
            Assert.AreEqual(new DataViewRowId((ulong)rows, 0), rowId);
            Assert.AreEqual(rows, cursor.Position);
        }
        Assert.AreEqual(11, rows);
        Assert.IsFalse(cursor.MoveNext());
    }

    [TestMethod]
    public void ShuffledRowsKeepTheirScores()
    {
        using var fixture = new Fixture(40);
        var scored = fixture.Transformer.Transform(_ml.Data.Cache(fixture.Data));
        Assert.IsTrue(scored.CanShuffle);

        var numbers = Read(scored.GetRowCursor(scored.Schema, new Random(5)), fixture);
        CollectionAssert.AreNotEqual(Enumerable.Range(0, 40).ToArray(), numbers);
        CollectionAssert.AreEquivalent(Enumerable.Range(0, 40).ToArray(), numbers);
        CollectionAssert.AreEqual(numbers, Read(scored.GetRowCursor(scored.Schema, new Random(5)), fixture));
    }

    [TestMethod]
    public void CursorSetsGiveEveryRowOnce()
    {
        using var fixture = new Fixture(200);
        var cached = _ml.Data.Cache(fixture.Data);
        var scored = fixture.Transformer.Transform(cached);
        var cursors = scored.GetRowCursorSet(scored.Schema, 4);
        var numbers = new List<int>[cursors.Length];
        Parallel.For(0, cursors.Length, i => numbers[i] = Read(cursors[i], fixture));
        CollectionAssert.AreEquivalent(Enumerable.Range(0, 200).ToArray(), numbers.SelectMany(list => list).ToArray());
    }

    [TestMethod]
    public void SeveralThreadsScoreAtOnce()
    {
        using var fixture = new Fixture(30);
        var scored = fixture.Transformer.Transform(fixture.Data);
        Parallel.For(0, 4, new ParallelOptions { MaxDegreeOfParallelism = 4 }, _ =>
        {
            for (var pass = 0; pass < 3; pass++)
                CollectionAssert.AreEqual(Enumerable.Range(0, 30).ToArray(),
                    Read(scored.GetRowCursor(scored.Schema), fixture));
        });
        Assert.AreEqual(0, fixture.Data.OpenCursors);
    }

    [TestMethod]
    public void ACursorMayChangeItsThread()
    {
        using var fixture = new Fixture(10);
        var scored = fixture.Transformer.Transform(fixture.Data);
        var cursor = scored.GetRowCursor(scored.Schema);
        List<int>? numbers = null;
        var thread = new Thread(() => numbers = Read(cursor, fixture));
        thread.Start();
        thread.Join();
        CollectionAssert.AreEqual(Enumerable.Range(0, 10).ToArray(), numbers);
    }

    [TestMethod]
    public void ImagesAreCopiedForEveryReader()
    {
        using var network = TestNetworks.Identity(3);
        var rows = Enumerable.Range(0, 5)
            .Select(number => new PictureRow { Pixels = [number, 0, 0], Picture = Picture(number) }).ToArray();
        var data = _ml.Data.LoadFromEnumerable(rows);
        using var transformer = _ml.Transforms.ApplyNetwork("Score", "Pixels", network, new() { BatchSize = 3 }).Fit(data);
        var scored = transformer.Transform(data);
        for (var pass = 0; pass < 2; pass++)
        {
            using var cursor = scored.GetRowCursor(scored.Schema);
            var (score, picture) = (cursor.GetGetter<VBuffer<float>>(cursor.Schema["Score"]),
                cursor.GetGetter<MLImage>(cursor.Schema["Picture"]));
            VBuffer<float> scores = default;
            MLImage? kept = null;
            for (var row = 0; cursor.MoveNext(); row++)
            {
                score(ref scores);
                // Asking twice disposes the copy of the first time, as ML.NET's own getters do, and not the image that
                // is kept.
                picture(ref kept!);
                picture(ref kept!);
                Assert.AreEqual(row + 1, kept.Width);
                Assert.AreEqual((byte)row, kept.Pixels[0]);
                Assert.AreNotSame(rows[row].Picture, kept);
            }
            kept!.Dispose();
        }
        Assert.IsTrue(rows.Select((row, number) => row.Picture.Width == number + 1).All(same => same));
    }

    [TestMethod]
    public void ColumnsThatWereNotAskedForAreRefused()
    {
        using var fixture = new Fixture(3);
        var scored = fixture.Transformer.Transform(fixture.Data);
        using var cursor = scored.GetRowCursor([scored.Schema["Score"]]);
        Assert.IsTrue(cursor.IsColumnActive(scored.Schema["Score"]));
        Assert.IsFalse(cursor.IsColumnActive(scored.Schema["Pixels"]));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => cursor.GetGetter<int>(scored.Schema["Number"]));
        Assert.ThrowsExactly<InvalidOperationException>(() => cursor.GetGetter<float>(scored.Schema["Score"]));
        var score = cursor.GetGetter<VBuffer<float>>(scored.Schema["Score"]);
        VBuffer<float> value = default;
        Assert.ThrowsExactly<InvalidOperationException>(() => score(ref value));
        while (cursor.MoveNext())
            score(ref value);
        Assert.ThrowsExactly<InvalidOperationException>(() => score(ref value));
    }

    [TestMethod]
    public void CursorsOfTheDataAreClosed()
    {
        using var fixture = new Fixture(9);
        var scored = fixture.Transformer.Transform(fixture.Data);
        using (var cursor = scored.GetRowCursor(scored.Schema))
        {
            Assert.IsTrue(cursor.MoveNext());
            Assert.AreEqual(1, fixture.Data.OpenCursors);
        }
        Assert.AreEqual(0, fixture.Data.OpenCursors);
    }

    private static List<int> Read(DataViewRowCursor cursor, Fixture fixture)
    {
        var numbers = new List<int>();
        using (cursor)
        {
            var (score, number) = (cursor.GetGetter<VBuffer<float>>(cursor.Schema["Score"]),
                cursor.GetGetter<int>(cursor.Schema["Number"]));
            VBuffer<float> scores = default;
            var value = 0;
            while (cursor.MoveNext())
            {
                score(ref scores);
                number(ref value);
                Images.AssertClose([fixture.Expected[value]], [[.. scores.DenseValues()]], 1e-4f);
                numbers.Add(value);
            }
        }
        return numbers;
    }

    private static MLImage Picture(int number)
    {
        var pixels = new byte[4 * (number + 1) * 2];
        Array.Fill(pixels, (byte)number);
        return MLImage.CreateFromPixels(number + 1, 2, MLPixelFormat.Rgba32, pixels);
    }

    private sealed class PictureRow
    {
        [VectorType(3)]
        public float[] Pixels { get; set; } = [];

        [Transforms.Image.ImageType(2, 1)]
        public required MLImage Picture { get; set; }
    }

    /// <summary>A transformer, data that is observed, and the scores that ONNX Runtime gives.</summary>
    private sealed class Fixture : IDisposable
    {
        public Fixture(int rows, int batchSize = BatchSize)
        {
            Rows = Images.Rows(rows);
            Data = new ObservedDataView(Images.View(_ml, Rows));
            using var network = TestNetworks.Classifier();
            Expected = OnnxRuntimeScores.Of(network, Rows.Select(row => row.Pixels));
            Transformer = _ml.Transforms.ApplyNetwork("Score", "Pixels", network, new() { BatchSize = batchSize }).Fit(Data);
        }

        public ImageRow[] Rows { get; }

        public ObservedDataView Data { get; }

        public float[][] Expected { get; }

        public NetworkTransformer Transformer { get; }

        public void Dispose() => Transformer.Dispose();
    }
}
