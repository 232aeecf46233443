export declare const ROOT: string;
export declare const NODE: string;
export declare function setUp(): void;
