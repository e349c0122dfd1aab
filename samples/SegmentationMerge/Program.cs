using SegmentationMerge;

return await CommandLine.Create().Parse(args).InvokeAsync();
